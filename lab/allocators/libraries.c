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

static char *file_in(const char *directory, const char *name)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", directory, name) >= PATH_MAX)
		return NULL;
	return access(path, R_OK) == 0 ? realpath(path, NULL) : NULL;
}

/* Next to the executable in a build. In an installation, libraries that programs link lie in the
 * directory of libraries, and files that only dmm loads or starts in its subdirectory dmm. */
static char *file_near(const char *executable, const char *name)
{
	static const char *const near[] = {"", "/" DMM_LIB_FROM_BIN "/dmm", "/" DMM_LIB_FROM_BIN,
	    "/../lib/dmm", "/../lib"};
	char directory[PATH_MAX + 64];
	const char *const slash = strrchr(executable, '/');

	for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
		snprintf(directory, sizeof directory, "%.*s%s", (int)(slash - executable),
		    executable, near[i]);
		char *const path = file_in(directory, name);
		if (path != NULL)
			return path;
	}
	return NULL;
}

char *allocator_file(const char *name)
{
	char executable[PATH_MAX];
	const ssize_t n = readlink("/proc/self/exe", executable, sizeof executable - 1);

	if (n <= 0)
		return NULL;
	executable[n] = '\0';
	return file_near(executable, name);
}

static char *library_named(const char *name)
{
	const char *const directory = getenv("DMM_LIBDIR");
	const bool given = directory != NULL && directory[0] != '\0';

	return given ? file_in(directory, name) : allocator_file(name);
}

/* Without the files for developers, slab's library has its soname only. */
char *allocator_library(const char *system)
{
	char name[NAME_MAX + 1];

	if (strcmp(system, "slab") == 0) {
		char *const path = library_named("libdmm.so");
		return path != NULL ? path : library_named("libdmm.so.0");
	}
	if (snprintf(name, sizeof name, "libdmm-%s.so", system) > NAME_MAX)
		return NULL;
	return library_named(name);
}
