/* conf.c - one pass over the text, each key given to whom it belongs. */
#include "interpose/conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/conf_text.h"
#include "base/crash.h"
#include "base/nearest.h"

/* Who is obeyed, and who is told. */
struct reading {
	struct conf *conf;
	const struct dmm_system *sys;
	conf_listener *listener;
	void *arg;
	const char *file; /* NULL: the text itself */
};

static bool set_switch(bool *at, const char *key, const char *value, struct params_error *e)
{
	if (strcmp(value, "1") == 0 || strcmp(value, "0") == 0) {
		*at = value[0] == '1';
		return true;
	}
	crash_format(e->text, sizeof e->text, "%s:%s: 0 or 1", key, value);
	return false;
}

/* A technique, or one of the keys that every system has. */
static bool set(struct reading *r, const char *key, const char *value, struct params_error *e)
{
	static const char *const ours[] = {"stats", "deepbind", "file"};
	enum { OURS = sizeof ours / sizeof *ours };

	if (strcmp(key, ours[0]) == 0)
		return set_switch(&r->conf->stats, key, value, e);
	if (strcmp(key, ours[1]) == 0)
		return set_switch(&r->conf->deepbind, key, value, e);
	const char *const nearest = nearest_name(key, ours, OURS);
	if (nearest == NULL || nearest_name(key, params_keys, params_key_count) != NULL)
		return params_set(&r->conf->params, r->sys, key, value, e);
	crash_format(e->text, sizeof e->text, "unknown key '%s'; did you mean '%s'?", key, nearest);
	return false;
}

static void tell(const struct reading *r, const struct conf_word *w, const char *problem)
{
	r->listener(r->arg, &(struct conf_heard){r->file, w->line, w->key, w->value, problem});
}

static void obey_file(struct reading *r, const struct conf_word *word);

static void obey_word(struct reading *r, const struct conf_word *w)
{
	struct params_error e = {""};

	if (w->len >= CONF_WORD)
		crash_format(e.text, sizeof e.text, "a setting of %u letters: none is that long", w->len);
	else if (w->value == NULL)
		crash_format(e.text, sizeof e.text, "'%s': a setting is key:value", w->key);
	else if (strcmp(w->key, "file") != 0)
		set(r, w->key, w->value, &e);
	else if (r->file != NULL)
		crash_format(e.text, sizeof e.text, "file:%s: a file cannot name another", w->value);
	else {
		obey_file(r, w);
		return;
	}
	tell(r, w, e.text[0] != '\0' ? e.text : NULL);
}

static int obey_all(struct reading *r, struct conf_text *text)
{
	struct conf_word word;

	while (conf_text_next(text, &word))
		obey_word(r, &word);
	conf_text_end(text);
	return text->error;
}

/* The word is "file:PATH". */
static void obey_file(struct reading *r, const struct conf_word *word)
{
	struct conf_text text;
	struct params_error e;

	int error = conf_text_open(&text, word->value);
	if (error == 0) {
		struct reading inside = *r;
		inside.file = word->value;
		error = obey_all(&inside, &text);
	}
	if (error == 0)
		return;
	crash_format(e.text, sizeof e.text, "file:%s: %s", word->value, conf_text_reason(error));
	tell(r, word, e.text);
}

void conf_obey(struct conf *c, const struct dmm_system *sys, const char *text, conf_listener *listener,
    void *arg)
{
	struct reading r = {c, sys, listener, arg, NULL};
	struct conf_text words;

	conf_text_begin(&words, text);
	obey_all(&r, &words);
}

void conf_obey_file(struct conf *c, const struct dmm_system *sys, const char *path,
    conf_listener *listener, void *arg)
{
	struct reading r = {c, sys, listener, arg, NULL};
	struct conf_word word = {.key = "file", .value = (char *)(uintptr_t)path};
	obey_file(&r, &word);
}

static void say_problem(void *arg, const struct conf_heard *h)
{
	size_t *const said = arg;

	if (h->problem == NULL || ++*said > CONF_MISTAKES_MAX + 1)
		return;
	if (*said > CONF_MISTAKES_MAX) {
		crash_say("DMM_CONF: and more mistakes, which are not told");
		return;
	}
	if (h->file != NULL)
		crash_say("DMM_CONF: %s:%u: %s", h->file, h->line, h->problem);
	else
		crash_say("DMM_CONF: %s", h->problem);
}

void conf_read(struct conf *c, const struct dmm_system *sys)
{
	const char *const text = secure_getenv("DMM_CONF"); /* NULL while there is no environment yet */
	struct params_error e;

	*c = (struct conf){.params = sys->defaults};
	if (text == NULL)
		return;
	size_t said = 0;
	conf_obey(c, sys, text, say_problem, &said);
	if (!params_valid(&c->params, sys, &e)) {
		crash_say("DMM_CONF: %s; %s runs as it comes", e.text, sys->name);
		c->params = sys->defaults;
	}
}
