/* registry.c - the one list of systems that the command and the tests share. */
#include "allocators/registry.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

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

static const struct dmm_system *load(const char *path)
{
	/* A name without a slash would be looked up in the library path. */
	char *const full = realpath(path, NULL);
	void *const lib = full != NULL ? dlopen(full, RTLD_NOW | RTLD_LOCAL) : NULL;
	if (full == NULL)
		lab_die(EXIT_USAGE, "cannot find the system's library '%s'", path);
	if (lib == NULL)
		lab_die(EXIT_USAGE, "cannot load a system: %s", dlerror());
	free(full);

	const struct dmm_system *(*entry)(void) =
	    (const struct dmm_system *(*)(void))dlsym(lib, DMM_SYSTEM_SYMBOL);
	if (entry == NULL)
		lab_die(EXIT_USAGE, "'%s' has no %s(): see examples/my_system.c", path,
		    DMM_SYSTEM_SYMBOL);
	const struct dmm_system *const sys = entry();
	if (sys->abi != DMM_SYSTEM_ABI)
		lab_die(EXIT_USAGE, "'%s' was built for interface %u, this is %u: build it again",
		    path,
		    sys->abi, DMM_SYSTEM_ABI);
	return sys;
}

const struct dmm_system *registry_choose(const char *word)
{
	const char *names[SYSTEMS_MAX + 1] = {0};
	const char *const equals = strchr(word, '=');
	size_t n = 0;

	if (equals != NULL)
		return load(equals + 1);
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
