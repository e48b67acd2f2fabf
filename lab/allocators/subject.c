/* subject.c - a list of systems, some with settings; the keys are those of DMM_CONF. */
#include "allocators/subject.h"

#include <stdio.h>

#include "cli/lab.h"
#include "allocators/names.h"
#include "allocators/registry.h"
#include "allocators/slab_conf.h"
#include "slab/system.h"
#include "system/policy/params.h"

static bool set_conf(struct subject *s, const char *conf, char *why, size_t cap)
{
	if (snprintf(s->conf, sizeof s->conf, "%s", conf) < (int)sizeof s->conf)
		return slab_conf_valid(s->conf, why, cap);
	snprintf(why, cap, "settings of more than %zu letters", sizeof s->conf - 1);
	return false;
}

bool subject_make(struct subject *s, const struct dmm_system *sys, const char *conf, char *why,
    size_t cap)
{
	struct conf_error e = {0};

	*s = (struct subject){.sys = sys, .params = sys->defaults};
	snprintf(s->name, sizeof s->name, "%s%s%s", sys->name, conf[0] != '\0' ? "?" : "", conf);
	if (sys == &system_slab)
		return conf[0] == '\0' || set_conf(s, conf, why, cap);
	if (params_parse(&s->params, sys, conf, &e) && params_valid(&s->params, sys, &e))
		return true;
	snprintf(why, cap, "%s", e.text);
	return false;
}

bool subject_simulable(const struct subject *s, char *why, size_t cap)
{
	if (s->sys != &system_slab || slab_conf_simulable(s->conf))
		return true;
	snprintf(why, cap,
	    "these settings write into objects or watch each call, which the model cannot do; 'dmm "
	    "compare', or 'dmm replay' without --model, measures them");
	return false;
}

static void choose(struct subject *s, char *item)
{
	char whole[PATH_MAX], why[256], *path, *settings;

	snprintf(whole, sizeof whole, "%s", item);
	names_split(item, &path, &settings);
	if (path != NULL)
		path[-1] = '='; /* registry_choose() reads both */
	const struct dmm_system *const sys = registry_choose(item);
	if (!subject_make(s, sys, settings != NULL ? settings : "", why, sizeof why) ||
	    !subject_simulable(s, why, sizeof why))
		lab_die(EXIT_USAGE, "%s: %s", whole, why);
	if (snprintf(s->name, sizeof s->name, "%s", whole) >= (int)sizeof s->name)
		lab_die(EXIT_USAGE, "'%.40s...': too long", whole);
}

size_t subjects_choose(struct subject *subjects, const char *names)
{
	char item[PATH_MAX];
	size_t n = 0;

	if (names == NULL) {
		for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++) {
			snprintf(subjects[n].name, sizeof subjects[n].name, "%s", (*s)->name);
			subjects[n].sys = *s;
			subjects[n++].params = (*s)->defaults;
		}
		return n;
	}
	while (names_next(&names, item)) {
		if (n == SUBJECTS_MAX)
			lab_die(EXIT_USAGE, "more than %d systems", SUBJECTS_MAX);
		choose(&subjects[n++], item);
	}
	return n;
}
