/* conf.h - DMM_CONF=key:value,...: the settings of the system that this library runs.
 *
 *   fit split_min coalesce ...   the fields of struct dmm_params, by their names
 *   stats:1                      print calls and bytes when the program ends
 *
 * A key that nobody knows, a value that does not fit, and a key that the system does not honour are
 * each said in one line on stderr; the program runs on with the rest.  A setuid program ignores the
 * environment: it is the caller's, not the owner's.
 */
#ifndef INTERPOSE_CONF_H
#define INTERPOSE_CONF_H

#include "dmm_system.h"

struct conf {
	struct dmm_params params;
	bool stats;
};

/* Neither allocates nor fails. */
void conf_read(struct conf *c, const struct dmm_system *sys);

#endif
