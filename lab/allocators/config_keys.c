/* config_keys.c - reads settings, and remembers the source of each value. */
#include "allocators/config_keys.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "slab/settings.h"

static void add(struct settings *s, const char *key, const char *doc)
{
	s->item[s->count++] = (struct setting){.key = key, .doc = doc, .from = "default"};
}

static bool is_slab(const struct dmm_system *sys)
{
	return strcmp(sys->name, "slab") == 0;
}

void settings_begin(struct settings *s, const struct dmm_system *sys)
{
	*s = (struct settings){.sys = sys, .conf = {.params = sys->defaults}};
	for (size_t i = 0; is_slab(sys) && i < SLAB_SETTINGS; i++)
		add(s, slab_setting_key(i), slab_setting_doc(i));
	for (size_t i = 0; i < params_key_count; i++)
		if (params_has(sys, i))
			add(s, params_keys[i], params_doc(i));
	for (enum conf_own own = 0; !is_slab(sys) && own < CONF_OWN; own++)
		add(s, conf_own_key(own)->name, conf_own_key(own)->doc);
}

static struct setting *find(struct settings *s, const char *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->item[i].key, key) == 0)
			return &s->item[i];
	return NULL;
}

static void add_problem(struct settings *s, size_t word, bool ours, const char *from,
    const char *text)
{
	if (s->problems == SETTINGS_PROBLEMS)
		return;
	struct setting_problem *const p = &s->problem[s->problems++];
	*p = (struct setting_problem){.word = word, .ours = ours};
	snprintf(p->text, sizeof p->text, "%s: %s", from, text);
}

/* The key of one, or the word for several of slab's. */
static void note(struct settings *s, const char *key, const char *file, size_t line,
    const char *problem)
{
	struct setting *const item = find(s, key);
	char from[SETTINGS_TEXT];

	snprintf(from, sizeof from, "%s", s->source != NULL ? s->source : "DMM_CONF");
	if (file != NULL)
		snprintf(from, sizeof from, "%s:%zu", file, line);
	s->words++;
	if (problem != NULL)
		add_problem(s, s->words, item != NULL, from, problem);
	for (size_t i = 0; problem == NULL && i < s->count; i++)
		if (&s->item[i] == item || (strcmp(key, "hardened") == 0 &&
		    slab_setting_hardens(i)))
			memcpy(s->item[i].from, from, sizeof from);
}

static void hear(void *arg, const struct conf_heard *h)
{
	struct settings *const s = arg;
	const char *const key = is_slab(s->sys) ? slab_setting_meant(h->key, h->value) : h->key;

	note(s, key, h->file, h->line, h->problem);
}

void settings_obey(struct settings *s, const char *text)
{
	if (is_slab(s->sys))
		slab_settings_obey(text, hear, s);
	else
		conf_obey(&s->conf, s->sys, text, hear, s);
}

static void obey_file(struct settings *s, const char *path)
{
	if (is_slab(s->sys))
		slab_settings_obey_file(path, hear, s);
	else
		conf_obey_file(&s->conf, s->sys, path, hear, s);
}

bool conf_is_text(const char *arg)
{
	const bool settings = arg[strcspn(arg, ":/")] == ':' || strcmp(arg, "hardened") == 0;

	return settings && access(arg, F_OK) != 0;
}

void settings_obey_argument(struct settings *s, const char *arg)
{
	if (!conf_is_text(arg)) {
		obey_file(s, arg);
		return;
	}
	s->source = "--conf";
	settings_obey(s, arg);
	s->source = NULL;
}

/* All techniques; the last keys are none. */
static void drop_all(struct settings *s)
{
	s->conf.params = s->sys->defaults;
	for (size_t i = 0; i + CONF_OWN < s->count; i++)
		strcpy(s->item[i].from, "default");
}

static void fill_slab(struct settings *s)
{
	for (size_t i = 0; i < SLAB_SETTINGS; i++) {
		slab_setting_value(i, s->item[i].value, sizeof s->item[i].value);
		slab_setting_range(i, s->item[i].range, sizeof s->item[i].range);
	}
}

static void fill_techniques(struct settings *s)
{
	size_t at = 0;

	for (size_t i = 0; i < params_key_count; i++) {
		if (!params_has(s->sys, i))
			continue;
		params_value(&s->conf.params, i, s->item[at].value, sizeof s->item[at].value);
		params_range(i, s->item[at].range, sizeof s->item[at].range);
		at++;
	}
	for (enum conf_own own = 0; own < CONF_OWN; own++, at++) {
		strcpy(s->item[at].value, conf_own_value(&s->conf, own) ? "1" : "0");
		conf_range(conf_own_key(own), s->item[at].range, sizeof s->item[at].range);
	}
}

void settings_end(struct settings *s)
{
	struct conf_error e;

	if (!params_valid(&s->conf.params, s->sys, &e)) {
		add_problem(s, 0, true, "these settings cannot be together", e.text);
		drop_all(s);
	}
	if (is_slab(s->sys))
		fill_slab(s);
	else
		fill_techniques(s);
}
