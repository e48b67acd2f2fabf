/* subject.c - a list of systems, some with settings; the keys are those of DMM_CONF. */
#include "allocators/subject.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "allocators/registry.h"
#include "allocators/slab_conf.h"
#include "slab/system.h"
#include "system/policy/params.h"

static bool add_conf(struct subject *s, const char *conf, char *why, size_t cap)
{
	const size_t len = strlen(s->conf);

	if (len + strlen(conf) + 2 > sizeof s->conf) {
		snprintf(why, cap, "settings of more than %zu letters", sizeof s->conf - 1);
		return false;
	}
	snprintf(s->conf + len, sizeof s->conf - len, "%s%s", len != 0 ? "," : "", conf);
	return slab_conf_valid(s->conf, why, cap);
}

bool subject_make(struct subject *s, const struct dmm_system *sys, const char *conf, char *why,
    size_t cap)
{
	struct conf_error e = {0};

	*s = (struct subject){.sys = sys, .params = sys->defaults};
	snprintf(s->name, sizeof s->name, "%s%s%s", sys->name, conf[0] != '\0' ? "?" : "", conf);
	if (sys == &system_slab)
		return conf[0] == '\0' || add_conf(s, conf, why, cap);
	if (params_parse(&s->params, sys, conf, &e) && params_valid(&s->params, sys, &e))
		return true;
	snprintf(why, cap, "%s", e.text);
	return false;
}

static void set_item(struct subject *s, char *item)
{
	char *const colon = strchr(item, ':');
	struct conf_error e;
	char why[256];

	if (s->sys == &system_slab) {
		if (!add_conf(s, item, why, sizeof why))
			lab_die(EXIT_USAGE, "%s: %s", s->name, why);
		return;
	}
	if (colon == NULL)
		lab_die(EXIT_USAGE, "%s: '%s': a setting is key:value", s->name, item);
	*colon = '\0';
	if (!params_set(&s->params, s->sys, item, colon + 1, &e))
		lab_die(EXIT_USAGE, "%s: %s", s->name, e.text);
	*colon = ':';
}

static void begin(struct subject *s, char *word)
{
	char *const question = strchr(word, '?');

	snprintf(s->name, sizeof s->name, "%s", word);
	if (question != NULL)
		*question = '\0';
	s->sys = registry_choose(word);
	s->params = s->sys->defaults;
	s->conf[0] = '\0';
	if (question != NULL)
		set_item(s, question + 1);
}

size_t subjects_choose(struct subject *subjects, const char *names)
{
	char text[4096];
	size_t n = 0;

	if (names == NULL) {
		for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++) {
			snprintf(subjects[n].name, sizeof subjects[n].name, "%s", (*s)->name);
			subjects[n].sys = *s;
			subjects[n++].params = (*s)->defaults;
		}
		return n;
	}
	snprintf(text, sizeof text, "%s", names);
	for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
		const bool more = n != 0 && strchr(word, ':') != NULL &&
		    strchr(word, '?') == NULL &&
		    strchr(word, '=') == NULL;
		if (more) {
			struct subject *const s = &subjects[n - 1];
			const size_t len = strlen(s->name);
			snprintf(s->name + len, sizeof s->name - len, ",%s", word);
			set_item(s, word);
		} else if (n == SUBJECTS_MAX) {
			lab_die(EXIT_USAGE, "more than %d systems", SUBJECTS_MAX);
		} else {
			begin(&subjects[n++], word);
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct conf_error e;
		if (!params_valid(&subjects[i].params, subjects[i].sys, &e))
			lab_die(EXIT_USAGE, "%s: %s", subjects[i].name, e.text);
	}
	return n;
}
