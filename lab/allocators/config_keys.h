/* config_keys.h - every key of a system with its value and where that came from.
 *
 *   default  <  DMM_CONF, with the files that it names  <  --conf, a file or settings
 *   The last word counts.
 *
 * The keys come from one table a kind of system: the techniques (policy/params.h) for the
 * lecture's, the constants and hardening (slab/settings.h) for slab.  Slab's is one for the
 * process: only one struct settings at a time may be of slab, and none where slab runs.
 */
#ifndef LAB_ALLOCATORS_CONFIG_KEYS_H
#define LAB_ALLOCATORS_CONFIG_KEYS_H

#include "cli/lab.h"
#include "interpose/conf.h"

enum { SETTINGS_KEYS = 48, SETTINGS_PROBLEMS = 32, SETTINGS_TEXT = 256 };

struct setting {
	const char *key, *doc;
	char value[SETTINGS_TEXT], range[96];
	char from[SETTINGS_TEXT]; /* "default", "DMM_CONF", "--conf", "FILE:LINE" */
};

/* What was wrong with one word. */
struct setting_problem {
	size_t word;    /* the how many-th of all that were read */
	bool ours;      /* the system has that key: it is the value */
	char text[SETTINGS_TEXT + sizeof(struct conf_error)];
};

struct settings {
	const struct dmm_system *sys;
	struct conf conf;
	const char *source; /* of words that stand in no file; NULL: "DMM_CONF" */
	struct setting item[SETTINGS_KEYS];
	size_t count, words;
	struct setting_problem problem[SETTINGS_PROBLEMS];
	size_t problems;
};

void settings_begin(struct settings *s, const struct dmm_system *sys);
void settings_obey(struct settings *s, const char *text);
/* Is the value of --conf settings themselves, "key:value,..." or "hardened", and not the name of a
 * file? */
bool conf_is_text(const char *arg);
/* The value of --conf: a file of settings, or settings themselves (conf_is_text()). */
void settings_obey_argument(struct settings *s, const char *arg);

/* When all is read: fills in the values.  Settings that cannot be together are one more problem,
 * and the system is as it comes. */
void settings_end(struct settings *s);

/* What dmm config prints. */
enum { CONFIG_SYSTEMS_MAX = 16 };

struct config_order {
	const struct dmm_system *system[CONFIG_SYSTEMS_MAX];
	size_t systems;
	bool chosen; /* by the user: then a key that one lacks is a mistake */
	const char *conf; /* a file of settings, or settings; NULL: none */
	enum format format;
};

/* Returns the exit status: EXIT_FAULT if a setting is a mistake. */
int config_print(const struct config_order *r);

#endif
