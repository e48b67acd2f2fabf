/* peers.c - finds other projects' allocators where the loader would find them. */
#include "allocators/peers.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

const struct known_malloc *peer_find(const char *name)
{
	for (const struct known_malloc *k = known_mallocs; k->name != NULL; k++)
		if (k->files != NULL && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const char *const *peer_names(void)
{
	static const char *names[32];
	size_t count = 0;

	for (const struct known_malloc *k = known_mallocs; k->name != NULL; k++)
		if (k->files != NULL) {
			CHECK(count + 1 < sizeof names / sizeof *names);
			names[count++] = k->name;
		}
	names[count] = NULL;
	return names;
}

static char *file_in(const char *directory, int length, const char *file)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%.*s/%s", length, directory, file) >= PATH_MAX)
		return NULL;
	return access(path, R_OK) == 0 ? strdup(path) : NULL;
}

char *peer_path(const struct known_malloc *peer)
{
	static const char *const directories[] = {"/usr/local/lib", "/usr/lib", "/usr/lib64"};
	Dl_info libc = {0};

	/* Where this process has its libc from is where this machine keeps libraries of its
	 * kind. */
	dladdr((const void *)&getenv, &libc);
	for (const char *const *file = peer->files; *file != NULL; file++) {
		const char *const slash = libc.dli_fname != NULL ? strrchr(libc.dli_fname, '/')
		    : NULL;
		char *path = slash != NULL
		    ? file_in(libc.dli_fname, (int)(slash - libc.dli_fname), *file)
		    : NULL;
		for (size_t i = 0; path == NULL && i < sizeof directories / sizeof *directories;
		    i++)
			path = file_in(directories[i], INT_MAX, *file);
		if (path != NULL)
			return path;
	}
	return NULL;
}
