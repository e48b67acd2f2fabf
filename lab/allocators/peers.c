/* peers.c - finds the allocators of others where the loader would find them. */
#include "allocators/peers.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct peer peers[] = {
    {"mimalloc", "libmimalloc2.0", FILES("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so")},
    {"jemalloc", "libjemalloc2", FILES("libjemalloc.so.2", "libjemalloc.so")},
    {"tcmalloc", "libtcmalloc-minimal4",
        FILES("libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so", "libtcmalloc.so.4")},
    {"snmalloc", "none; build it", FILES("libsnmallocshim.so")},
    {"rpmalloc", "none; build it", FILES("librpmallocwrap.so", "librpmalloc.so")},
    {"hardened", "none; build it", FILES("libhardened_malloc.so", "libhardened_malloc-light.so")},
    {"mesh", "none; build it", FILES("libmesh.so")},
};

enum { PEERS = sizeof peers / sizeof peers[0] };

const struct peer *peer_find(const char *name)
{
	for (size_t i = 0; i < PEERS; i++)
		if (strcmp(peers[i].name, name) == 0)
			return &peers[i];
	return NULL;
}

const char *const *peer_names(void)
{
	static const char *names[PEERS + 1];

	for (size_t i = 0; i < PEERS; i++)
		names[i] = peers[i].name;
	return names;
}

static char *file_in(const char *directory, int length, const char *file)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%.*s/%s", length, directory, file) >= PATH_MAX)
		return NULL;
	return access(path, R_OK) == 0 ? strdup(path) : NULL;
}

char *peer_path(const struct peer *peer)
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
