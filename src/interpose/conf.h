/* conf.h - the settings of the system that a library runs: DMM_CONF=key:value,...
 *
 *   fit split_min coalesce ...   the techniques, by their names: policy/params.h
 *   stats:1                      print calls and bytes when the program ends
 *   deepbind:1                   dlopen keeps RTLD_DEEPBIND (os/dlopen.h); otherwise it drops that flag
 *   file:PATH                    and what this file says, in the same words (base/conf_text.h)
 *
 * The last word counts.  A key that nobody knows, a value that does not fit, and a key that the system
 * does not honour are each said in one line on stderr; the program runs on with the rest.  Settings that
 * cannot be together are all dropped.  A setuid program ignores the environment, and with it files:
 * they are the caller's, not the owner's.
 */
#ifndef INTERPOSE_CONF_H
#define INTERPOSE_CONF_H

#include "dmm_system.h"
#include "system/policy/params.h"

struct conf {
	struct dmm_params params;
	bool stats, deepbind;
};

/* One word that was read, as it is told to who listens. */
struct conf_heard {
	const char *file; /* NULL: it came from the text itself */
	size_t line;      /* in the file */
	const char *key, *value;
	const char *problem; /* NULL: it was obeyed */
};
typedef void conf_listener(void *arg, const struct conf_heard *heard);

/* Obey a text, or a file, word by word on top of what *c says; each is told.  Neither allocates. */
void conf_obey(struct conf *c, const struct dmm_system *sys, const char *text, conf_listener *listener,
    void *arg);
void conf_obey_file(struct conf *c, const struct dmm_system *sys, const char *path,
    conf_listener *listener, void *arg);

/* The library's way: the defaults, then DMM_CONF, with every mistake said. */
void conf_read(struct conf *c, const struct dmm_system *sys);

#endif
