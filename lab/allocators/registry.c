/* registry.c - the one list of systems that the command and the tests share. */
#include "allocators/registry.h"

#include <string.h>

#include "allocators/load.h"
#include "allocators/names.h"
#include "cli/lab.h"
#include "slab/system.h"
#include "system/systems.h"

enum { SYSTEMS_MAX = 16 };

const struct dmm_system *const *registry_systems(void)
{
	static const struct dmm_system *all[SYSTEMS_MAX + 1];
	size_t n = 0;

	for (const struct dmm_system *const *s = systems_of_lecture; *s != NULL; s++)
		all[n++] = *s;
	all[n] = &system_slab;
	return all;
}

const struct dmm_system *registry_find(const char *name)
{
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++)
		if (strcmp((*s)->name, name) == 0)
			return *s;
	return NULL;
}

const struct dmm_system *registry_choose(const char *word)
{
	const char *names[SYSTEMS_MAX + 1] = {0};
	const char *const equals = strchr(word, '=');
	size_t n = 0;

	if (equals != NULL)
		return design_load(equals + 1);
	if (registry_find(word) != NULL)
		return registry_find(word);
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++)
		names[n++] = (*s)->name;
	lab_unknown("system", word, names);
}

void registry_choose_list(const char *option, const char *list, const struct dmm_system **systems,
    size_t *count, size_t most)
{
	char item[PATH_MAX];

	while (names_next(&list, item)) {
		if (*count == most)
			lab_die(EXIT_USAGE, "--%s: at most %zu", option, most);
		systems[(*count)++] = registry_choose(item);
	}
}
