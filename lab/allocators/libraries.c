/* libraries.c - the systems of this project: their names, and where their libraries are. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "allocators/allocators.h"
#include "allocators/registry.h"

enum { SYSTEMS_MAX = 32 };

const char *const *systems_names(void)
{
	static const char *names[SYSTEMS_MAX + 2];
	size_t count = 0;

	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++)
		names[count++] = (*s)->name;
	if (registry_find("slab") == NULL)
		names[count] = "slab";
	return names;
}

static char *library_in(const char *directory, const char *system)
{
	const bool slab = strcmp(system, "slab") == 0;
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/libdmm%s%s.so", directory, slab ? "" : "-",
		slab ? "" : system) >= PATH_MAX)
		return NULL;
	return access(path, R_OK) == 0 ? realpath(path, NULL) : NULL;
}

/* Beside this executable (a build), or where it was installed to. */
static char *library_near(const char *executable, const char *system)
{
	static const char *const near[] = {"", "/" DMM_LIB_FROM_BIN, "/../lib"};
	char directory[PATH_MAX + 64];
	const char *const slash = strrchr(executable, '/');

	for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
		snprintf(directory, sizeof directory, "%.*s%s", (int)(slash - executable),
		    executable,
		    near[i]);
		char *const path = library_in(directory, system);
		if (path != NULL)
			return path;
	}
	return NULL;
}

char *allocator_library(const char *system)
{
	const char *const directory = getenv("DMM_LIBDIR");
	char executable[PATH_MAX];

	if (directory != NULL && directory[0] != '\0')
		return library_in(directory, system);
	const ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);
	if (n <= 0)
		return NULL;
	executable[n] = '\0';
	return library_near(executable, system);
}
