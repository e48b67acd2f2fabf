/* settings.c - reading settings and remembering who said what. */
#include "settings.h"

#include <stdio.h>
#include <string.h>

static void add(struct settings *s, const char *key, const char *doc)
{
	s->item[s->count++] = (struct setting){.key = key, .doc = doc, .from = "default"};
}

static bool is_slab(const struct dmm_system *sys)
{
	return strcmp(sys->name, "slab") == 0;
}

bool settings_any(const struct dmm_system *sys)
{
	static struct settings s;

	settings_begin(&s, sys);
	return s.count != 0;
}

void settings_begin(struct settings *s, const struct dmm_system *sys)
{
	*s = (struct settings){.sys = sys, .conf = {.params = sys->defaults}};
	for (size_t i = 0; i < params_key_count; i++)
		if (params_has(sys, i))
			add(s, params_keys[i], params_doc(i));
	if (!is_slab(sys)) /* its library reads no settings yet */
		add(s, "stats", "tell calls and bytes on stderr when the program ends");
}

static struct setting *find(struct settings *s, const char *key)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->item[i].key, key) == 0)
			return &s->item[i];
	return NULL;
}

static void add_problem(struct settings *s, size_t word, bool ours, const char *from, const char *text)
{
	if (s->problems == SETTINGS_PROBLEMS)
		return;
	struct setting_problem *const p = &s->problem[s->problems++];
	*p = (struct setting_problem){.word = word, .ours = ours};
	snprintf(p->text, sizeof p->text, "%s: %s", from, text);
}

static void hear(void *arg, const struct conf_heard *h)
{
	struct settings *const s = arg;
	struct setting *const item = find(s, h->key);
	char from[SETTINGS_TEXT] = "DMM_CONF";

	if (h->file != NULL)
		snprintf(from, sizeof from, "%s:%zu", h->file, h->line);
	s->words++;
	if (h->problem != NULL)
		add_problem(s, s->words, item != NULL, from, h->problem);
	else if (item != NULL)
		memcpy(item->from, from, sizeof item->from);
	else /* stats, which a library without settings does not know */
		add_problem(s, s->words, false, from, "its library reads no settings");
}

void settings_obey(struct settings *s, const char *text)
{
	conf_obey(&s->conf, s->sys, text, hear, s);
}

void settings_obey_file(struct settings *s, const char *path)
{
	conf_obey_file(&s->conf, s->sys, path, hear, s);
}

static void drop_all(struct settings *s)
{
	s->conf.params = s->sys->defaults;
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->item[i].key, "stats") != 0)
			strcpy(s->item[i].from, "default");
}

void settings_end(struct settings *s)
{
	struct params_error e;
	size_t at = 0;

	if (!params_valid(&s->conf.params, s->sys, &e)) {
		add_problem(s, 0, true, "these settings cannot be together", e.text);
		drop_all(s);
	}
	for (size_t i = 0; i < params_key_count; i++) {
		if (!params_has(s->sys, i))
			continue;
		params_value(&s->conf.params, i, s->item[at].value, sizeof s->item[at].value);
		params_range(i, s->item[at].range, sizeof s->item[at].range);
		at++;
	}
	if (at < s->count) {
		strcpy(s->item[at].value, s->conf.stats ? "1" : "0");
		strcpy(s->item[at].range, "0, 1");
	}
}
