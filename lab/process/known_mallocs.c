/* known_mallocs.c - see known_mallocs.h. */
#include "process/known_mallocs.h"

#include <stddef.h>
#include <string.h>

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BUILD_IT "none; build it"

const struct known_malloc known_mallocs[] = {
    {"mimalloc", "mimalloc", {"libmimalloc"}, {"mimalloc"}, "libmimalloc2.0",
        FILES("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so")},
    {"jemalloc", "jemalloc", {"libjemalloc"}, {"jemalloc"}, "libjemalloc2",
        FILES("libjemalloc.so.2", "libjemalloc.so")},
    {"tcmalloc", "tcmalloc", {"libtcmalloc"}, {"TCMalloc", "tcmalloc"}, "libtcmalloc-minimal4",
        FILES("libtcmalloc_minimal.so.4", "libtcmalloc_minimal.so", "libtcmalloc.so.4")},
    {"snmalloc", "snmalloc", {"libsnmalloc"}, {"snmalloc"}, BUILD_IT, FILES("libsnmallocshim.so")},
    {"rpmalloc", "rpmalloc", {"librpmalloc"}, {"rpmalloc"}, BUILD_IT,
        FILES("librpmallocwrap.so", "librpmalloc.so")},
    {"hardened", "hardened_malloc", {"libhardened_malloc"}, {NULL}, BUILD_IT,
        FILES("libhardened_malloc.so", "libhardened_malloc-light.so")},
    {"mesh", "Mesh", {NULL}, {NULL}, BUILD_IT, FILES("libmesh.so")},
    {"scudo", "scudo", {"libscudo"}, {"scudo"}, NULL, NULL},
    {"asan", "AddressSanitizer's", {"libasan"}, {NULL}, NULL, NULL},
    {"tsan", "ThreadSanitizer's", {"libtsan"}, {NULL}, NULL, NULL},
    {"valgrind", "valgrind's", {"vgpreload"}, {NULL}, NULL, NULL},
    {"go", "the Go runtime", {NULL}, {"Go build ID"}, NULL, NULL},
    /* The C library is in nearly every process, so it is the last that a process is taken for. */
    {"glibc", "glibc's malloc", {"libc.so", "libc-2"}, {NULL}, NULL, NULL},
    {"musl", "musl's malloc", {"ld-musl"}, {NULL}, NULL, NULL},
    {0},
};

const struct known_malloc *known_malloc_of_library(const char *file)
{
	for (const struct known_malloc *k = known_mallocs; k->name != NULL; k++)
		for (size_t i = 0; i < 2; i++)
			if (k->library[i] != NULL && strstr(file, k->library[i]) != NULL)
				return k;
	return NULL;
}
