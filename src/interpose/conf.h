/* conf.h - the settings of the system that a library runs: DMM_CONF=key:value,...
 *
 *   fit split_min coalesce ...   the techniques, by their names: policy/params.h
 *   stats:1                      print calls and bytes when the program ends
 *   deepbind:1                   dlopen keeps RTLD_DEEPBIND, and otherwise drops it (os/dlopen.h)
 *   file:PATH                    read more settings from this file (base/conf_text.h)
 *
 * The last word counts. An unknown key, a value out of its range, and a key that the design does
 * not have are each reported in one line on stderr; the program runs on with the other settings.
 * Techniques that cannot be combined are all reset to the design's defaults. A setuid program
 * ignores DMM_CONF, since its caller, not its owner, chose it.
 */
#ifndef INTERPOSE_CONF_H
#define INTERPOSE_CONF_H

#include "dmm_system.h"
#include "system/policy/params.h"

struct conf {
	struct dmm_params params;
	bool stats, deepbind;
};

/* The keys that every design has besides its techniques. */
enum conf_own { CONF_STATS, CONF_DEEPBIND, CONF_OWN };

const struct conf_key *conf_own_key(enum conf_own key);
bool conf_own_value(const struct conf *c, enum conf_own key);

/* Set in *c every key of a text, or of a file, word by word; the listener hears of each.  Neither
 * allocates. */
void conf_obey(struct conf *c, const struct dmm_system *sys, const char *text,
    conf_listener *listener, void *arg);
void conf_obey_file(struct conf *c, const struct dmm_system *sys, const char *path,
    conf_listener *listener, void *arg);

/* The library's way: the defaults, then DMM_CONF, with every mistake said. */
void conf_read(struct conf *c, const struct dmm_system *sys);

#endif
