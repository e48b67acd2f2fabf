/* conf.c - the settings of a design of the lecture: its techniques, stats and deepbind. */
#include "interpose/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/crash.h"

/* What the reader sets. */
struct target {
	struct conf *conf;
	const struct dmm_system *sys;
};

enum { NAMES = CONF_OWN + params_key_count + 1 };

static const struct conf_key keys[CONF_OWN] = {
    [CONF_STATS] = {.name = "stats", .doc = "print calls and bytes on stderr at exit",
        .words = {"0", "1"}},
    [CONF_DEEPBIND] = {.name = "deepbind", .doc = "dlopen keeps RTLD_DEEPBIND",
        .words = {"0", "1"}},
};

const struct conf_key *conf_own_key(enum conf_own key)
{
	return &keys[key];
}

bool conf_own_value(const struct conf *c, enum conf_own key)
{
	return key == CONF_STATS ? c->stats : c->deepbind;
}

static bool begins_with(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

/* stats:exit, stats:interval:5 and stats:signal:10 are slab's. */
static void explain_report(const struct conf_key *k, const char *value, struct conf_error *e)
{
	if (k == &keys[CONF_STATS] && (begins_with(value, "exit") ||
	    begins_with(value, "interval:") || begins_with(value, "signal:")))
		crash_format(e->text, sizeof e->text,
		    "stats:%s: only slab makes such reports; this design takes stats:0 and stats:1",
		    value);
}

static bool set_own(struct conf *c, const struct conf_key *k, const char *value,
    struct conf_error *e)
{
	struct conf_value v;

	if (!conf_parse(k, value, &v, e)) {
		explain_report(k, value, e);
		return false;
	}
	*(k == &keys[CONF_STATS] ? &c->stats : &c->deepbind) = v.word == 1;
	return true;
}

static bool is_technique(const char *key)
{
	for (size_t i = 0; i < params_key_count; i++)
		if (strcmp(params_keys[i], key) == 0)
			return true;
	return false;
}

static bool explain_unknown(const char *key, struct conf_error *e)
{
	const char *names[NAMES] = {
	    [CONF_STATS] = "stats", [CONF_DEEPBIND] = "deepbind", [CONF_OWN] = "file"};

	memcpy(names + CONF_OWN + 1, params_keys, params_key_count * sizeof *names);
	conf_unknown(key, names, NAMES, e);
	return false;
}

static bool set(void *arg, const char *key, const char *value, struct conf_error *e)
{
	const struct target *const t = arg;
	const struct conf_key *const own = conf_find(keys, CONF_OWN, key);

	if (own != NULL)
		return set_own(t->conf, own, value, e);
	if (!is_technique(key))
		return explain_unknown(key, e);
	return params_set(&t->conf->params, t->sys, key, value, e);
}

void conf_obey(struct conf *c, const struct dmm_system *sys, const char *text,
    conf_listener *listener, void *arg)
{
	struct target t = {c, sys};

	conf_set_text(&(struct conf_reader){set, &t, NULL, listener, arg}, text);
}

void conf_obey_file(struct conf *c, const struct dmm_system *sys, const char *path,
    conf_listener *listener, void *arg)
{
	struct target t = {c, sys};

	conf_set_file(&(struct conf_reader){set, &t, NULL, listener, arg}, path);
}

void conf_read(struct conf *c, const struct dmm_system *sys)
{
	/* NULL while there is no environment yet */
	const char *const text = secure_getenv("DMM_CONF");
	struct conf_error e;
	size_t mistakes = 0;

	*c = (struct conf){.params = sys->defaults};
	if (text == NULL)
		return;
	conf_obey(c, sys, text, conf_print_mistake, &mistakes);
	if (!params_valid(&c->params, sys, &e)) {
		crash_say("DMM_CONF: %s; %s runs with its defaults", e.text, sys->name);
		c->params = sys->defaults;
	}
}
