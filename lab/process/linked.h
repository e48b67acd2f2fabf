/* linked.h - the libraries that the loader has mapped into a process that stands at its first
 * instruction. */
#ifndef LAB_PROCESS_LINKED_H
#define LAB_PROCESS_LINKED_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct linked {
	char malloc_from[PATH_MAX]; /* the file whose malloc the program gets; "": not found */
	char libc[PATH_MAX];        /* the C library's; "" */
};

/* Reads the loader's list of a process that has come to its entry point.  False: it cannot be
 * read. */
bool linked_read(pid_t pid, struct linked *linked);
/* A value that the kernel gave to the process (getauxval). */
bool linked_auxiliary(pid_t pid, unsigned long type, unsigned long *value);

#endif
