/* allocators.h - the allocators that dmm can compare: glibc, the systems of this project, and
 * others ("peers").
 *
 * A name is written as
 *      bins                          a system of this project, or a peer that is installed
 *      bins?fit:best,split_min:64    a system with settings, as DMM_CONF has them
 *      mine=./my.so                  any shared object that defines malloc
 *      je=./je.so?MALLOC_CONF=a:1    the same with settings for its environment, '&' between
 *                                    several; after a comma, `key:value` still belongs to the
 *                                    setting
 */
#ifndef LAB_ALLOCATORS_ALLOCATORS_H
#define LAB_ALLOCATORS_ALLOCATORS_H

#include <stdbool.h>
#include <stddef.h>

#include "process/elf_file.h"

enum allocator_kind { KIND_BASELINE, KIND_SYSTEM, KIND_PEER };

enum { SETTINGS_MAX = 8 };

struct allocator {
	char *name;
	enum allocator_kind kind;
	char *path;    /* what is preloaded; NULL for glibc */
	bool own_path; /* the user gave it: NAME=PATH */
	char *settings[SETTINGS_MAX + 1]; /* VAR=value, NULL ends */
	char build_id[ELF_ID_LEN];
	char problem[ELF_PROBLEM_LEN]; /* "" or why it cannot be loaded */
};

struct allocators {
	struct allocator *item;
	size_t count, room;
};

/* All of these end with exit(EXIT_USAGE) on an unknown name, which names the nearest. */
/* The baseline of every comparison: glibc. */
void allocators_add_baseline(struct allocators *list);
/* The same, and glibc once more under this name: what differs between the two is noise. */
#define GLIBC_AGAIN "glibc-again"
void allocators_add_baselines(struct allocators *list);
/* A program that links another malloc gets glibc's by preloading libc, and a row for the other one,
 * unless the list has that library already.  Returns the name of that row. */
const char *allocators_add_linked(struct allocators *list, const char *library, const char *libc);
/* `names`: comma-separated; "all" is every system whose library is there, "none" is none. */
void allocators_add_systems(struct allocators *list, const char *names);
/* `names`: comma-separated; "auto" is every peer that is installed, "none" is none. */
void allocators_add_peers(struct allocators *list, const char *names);
/* PATH or NAME=PATH of a library that defines malloc; without a name it is called "library". */
void allocators_add_library(struct allocators *list, const char *path);
void allocators_free(struct allocators *list);

const char *allocator_kind(const struct allocator *a); /* "system", "peer", "baseline" */
/* The path of a file that was built or installed with dmm, or NULL when it is not there; the caller
 * frees it. */
char *allocator_file(const char *name);
/* The same of the library of a system, libdmm-NAME.so, which is looked for in DMM_LIBDIR if that
 * is set. */
char *allocator_library(const char *system);
/* In the environment of this process: preload it, and set its settings.  Call it after fork. */
void allocator_enter(const struct allocator *a);

/* ---- the systems of this project ------------------------------------------------------------ */

/* All names in the lecture's order, then slab; NULL ends. */
const char *const *systems_names(void);

#endif
