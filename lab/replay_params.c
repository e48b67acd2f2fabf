/* replay_params.c - the keys of DMM_CONF, as settings of one system of a list. */
#include "replay_params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"
#include "registry.h"

static const char *const keys[] = {"fit", "split_min", "coalesce", "footer", "reuse", "bin_spacing",
    "mmap_threshold", "trim_threshold", "grow_min", NULL};

static size_t bytes_or(const char *key, const char *value, size_t never)
{
	return strcmp(value, "never") == 0 ? never : option_bytes(key, value);
}

static void set(struct dmm_params *p, int key, const char *value)
{
	static const char *const fits[] = {"first", "next", "best", "address", NULL};
	static const char *const reuses[] = {"none", "links", "footer", NULL};
	static const char *const spacings[] = {"exact", "geometric", NULL};
	static const char *const flags[] = {"0", "1", NULL};

	switch (1u << key) {
	case DMM_OPT_FIT:
		p->fit = (enum dmm_fit)option_choice("fit", value, fits);
		break;
	case DMM_OPT_SPLIT_MIN:
		p->split_min = option_bytes("split_min", value);
		break;
	case DMM_OPT_COALESCE:
		p->coalesce = strcmp(value, "now") == 0 ? DMM_COALESCE_NOW : DMM_COALESCE_DEFERRED;
		if (strcmp(value, "now") != 0 && strcmp(value, "deferred") != 0)
			p->deferred_max = option_count("coalesce", value, 1);
		break;
	case DMM_OPT_FOOTER:
		p->footer = option_choice("footer", value, flags) == 1;
		break;
	case DMM_OPT_REUSE:
		p->reuse = (enum dmm_reuse)option_choice("reuse", value, reuses);
		break;
	case DMM_OPT_BIN_SPACING:
		p->bin_spacing = (enum dmm_spacing)option_choice("bin_spacing", value, spacings);
		break;
	case DMM_OPT_MMAP_THRESHOLD:
		p->mmap_adaptive = strcmp(value, "adaptive") == 0;
		if (!p->mmap_adaptive)
			p->mmap_threshold = bytes_or("mmap_threshold", value, SIZE_MAX);
		break;
	case DMM_OPT_TRIM_THRESHOLD:
		p->trim_threshold = bytes_or("trim_threshold", value, SIZE_MAX);
		break;
	case DMM_OPT_GROW_MIN:
		p->grow_min = option_bytes("grow_min", value);
		break;
	}
}

static void set_item(struct subject *s, char *item)
{
	char *const colon = strchr(item, ':');
	int key = 0;

	if (colon == NULL)
		lab_die(EXIT_USAGE, "%s: '%s': a setting is key:value", s->name, item);
	*colon = '\0';
	while (keys[key] != NULL && strcmp(keys[key], item) != 0)
		key++;
	if (keys[key] == NULL)
		lab_unknown("setting", item, keys);
	if ((s->sys->options >> key & 1) == 0)
		lab_die(EXIT_USAGE, "%s has no setting '%s'", s->sys->name, item);
	set(&s->params, key, colon + 1);
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
		const bool more = n != 0 && strchr(word, ':') != NULL && strchr(word, '?') == NULL &&
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
	return n;
}
