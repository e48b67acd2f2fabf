/* memory.h - the memory of another process, of a core, or our own, by address.
 *
 *   process   process_vm_readv(2): nothing is stopped, nothing is written
 *   core      its PT_LOAD segments; what was not dumped of a mapped file is read from that file, if
 *             the file's head is still the one in the core
 *   self      memcpy
 *
 * Not thread-safe.
 */
#ifndef LAB_PROCESS_MEMORY_H
#define LAB_PROCESS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MEMORY_ERROR_LEN = 512, MEMORY_NAME_LEN = 64, MEMORY_TITLE_LEN = 128, MEMORY_BATCH = 256 };

struct memory_error {
	char text[MEMORY_ERROR_LEN]; /* a sentence without its full stop */
};

struct memory_mapping {
	uint64_t start, end, offset;
	bool     writable, file; /* file: a mapped file's bytes, which may not be in a core */
	char    *path;           /* "": anonymous */
};

/* One of many reads. */
struct memory_piece {
	uint64_t addr;
	void    *to;
	size_t   len;
	bool     got;
};

struct memory {
	pid_t pid; /* of the process, also when it is a core's; 0: our own */
	char  name[MEMORY_NAME_LEN];   /* of the program */
	char  title[MEMORY_TITLE_LEN]; /* "process 123 (cat)", "F, the core of cat (123)" */
	bool  live; /* a process that runs on */
	struct memory_mapping *maps;
	size_t map_count, map_cap;
	pid_t *threads;
	size_t thread_count, thread_cap;
	int signal; /* core: that ended it, 0: not known; and if SIGSEGV did, the address */
	uint64_t fault;
	uint64_t missing; /* core: bytes that its headers announce and that are not in the file */
	int error;        /* errno of the last read that failed */
	struct core *core;                  /* memory_core.c's own; else NULL */
	const struct memory_source *source; /* NULL: nothing was opened */
};

/* Where the bytes come from: each source is a file, memory_NAME.c. */
struct memory_source {
	/* Sets .got of the pieces that were read whole, and m->error if one was not.
	 * count <= MEMORY_BATCH. */
	void (*read)(struct memory *m, struct memory_piece *pieces, size_t count);
	void (*close)(struct memory *m); /* NULL: there is nothing to close */
};

/* False: *e says why, and what to do. */
bool memory_open_process(struct memory *m, pid_t pid, struct memory_error *e);
bool memory_open_core(struct memory *m, const char *path, struct memory_error *e);
void memory_open_self(struct memory *m);
void memory_close(struct memory *m);

/* Of a process: its threads as they are now.  False: it has ended. */
bool memory_update_threads(struct memory *m);

/* All of it, or false. */
bool memory_read(struct memory *m, uint64_t addr, void *to, size_t len);
/* A zero-terminated string, cut at `room`. */
bool memory_read_string(struct memory *m, uint64_t addr, char *to, size_t room);
/* Each by itself: see .got. */
void memory_read_many(struct memory *m, struct memory_piece *pieces, size_t count);

const struct memory_mapping *memory_mapping(const struct memory *m, uint64_t addr);

/* ---- for the sources ------------------------------------------------------------------------ */

void memory_add_mapping(struct memory *m, const struct memory_mapping *map); /* copies .path */
void memory_add_thread(struct memory *m, pid_t tid);
__attribute__((format(printf, 2, 3))) bool memory_refuse(struct memory_error *e, const char *format,
    ...);

#endif
