/* known_mallocs.h - every foreign allocator that the command knows by name: where it is installed,
 * and how it is recognised in a process and in a program's file. */
#ifndef LAB_PROCESS_KNOWN_MALLOCS_H
#define LAB_PROCESS_KNOWN_MALLOCS_H

struct known_malloc {
	const char *name;         /* for --peers, where it has files; NULL ends the table */
	const char *shown;        /* in a sentence: "it seems to run ..." */
	/* a part of its shared library's file name; NULL: not known by one */
	const char *library[2];
	/* words that only the allocator itself leaves in a program; or NULL */
	const char *words[2];
	const char *package;      /* Debian's, or how else it is had */
	const char *const *files; /* to be preloaded, the newest first, NULL ends; NULL: none */
};

extern const struct known_malloc known_mallocs[];

/* The first of the table whose library has this file name; NULL: none. */
const struct known_malloc *known_malloc_of_library(const char *file);

#endif
