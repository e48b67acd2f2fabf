/* proc_maps.h - /proc/PID/maps, the mappings of a process, line by line in the caller's buffer.
 *
 *   55d0c0a00000-55d0c0a01000 r--p 00000000 fe:01 1234    /usr/bin/program
 *
 * The reader allocates no memory, takes no lock and asks no loader; its system calls are open, read
 * and close.  So a signal handler may use it, and a function inside malloc.
 */
#ifndef BASE_PROC_MAPS_H
#define BASE_PROC_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct map_line {
	uint64_t start, end, offset; /* addresses; bytes into the file */
	uint64_t inode;              /* 0: no file */
	bool readable, writable, executable;
	const char *path; /* "": anonymous; also "[heap]" and the like; valid until the next line */
};

enum {
	PROC_MAPS_LEAST = 128,  /* bytes of a buffer: what stands before a path, and part of it */
	PROC_MAPS_WHOLE = 4400, /* room for every path: PATH_MAX - 1 bytes at most */
};

struct proc_maps {
	int fd;
	int error; /* errno of the read that failed; 0: none did */
	char *buf;
	size_t cap, at, end; /* bytes; the next line begins at `at` */
	bool cut;            /* the rest of a line that was too long comes first */
};

/* Open the file.  pid: 0 for the calling process.  buf: `cap` bytes, at least PROC_MAPS_LEAST, the
 * reader's until proc_maps_close(); a line that does not fit loses the end of its path.  Returns 0
 * or the errno of open; there is nothing to close then. */
int proc_maps_open(struct proc_maps *m, pid_t pid, char *buf, size_t cap);

/* The next mapping, by address.  False: there is none, or m->error tells why it cannot be read. */
bool proc_maps_next(struct proc_maps *m, struct map_line *line);

void proc_maps_close(struct proc_maps *m);

#endif
