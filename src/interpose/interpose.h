/* interpose.h - a malloc that takes the C library's place, preloaded or linked.
 *
 *      program           malloc(n), operator new(n), ...
 *         |
 *      names.h           every name of the contract, with C's, POSIX's and C++'s rules
 *         |  do_malloc, do_free, ...: inlined
 *      malloc_any.c      any struct dmm_system, behind one lock            | one of the two
 *      malloc_fast.c     slab, without a table                             | in a library
 *         |
 *      entry.c           which system: dmm_system_entry(), bound when the library is linked
 *
 *   beside them   new_delete.cc  operator new that found no memory    fork.c  the lock across fork
 *                 usage.c        malloc_info, mallinfo, mallopt, statistics      conf.c  DMM_CONF
 *                 copy.c         memcpy and its kin, in libdmm-hardened.so alone
 *
 * No function of this directory may call what allocates while it holds a lock or before the heap is
 * open: not stdio, not dlsym, not pthread_key_create.
 */
#ifndef INTERPOSE_INTERPOSE_H
#define INTERPOSE_INTERPOSE_H

#include "base/config.h"
#include "base/origin.h"

#define EXPORT       __attribute__((visibility("default")))
#define ALIAS(name)  __attribute__((visibility("default"), alias(#name) COPY_OF(name)))

enum { KINDS = 4 }; /* of enum dmm_kind */

/* The contents of the heap according to its walk, and the requests so far. */
struct usage {
	const char *system;
	size_t bytes[KINDS], pieces[KINDS]; /* by enum dmm_kind; mapped memory only */
	/* the part of bytes[DMM_META] that lies in tables, not next to objects */
	size_t apart;
	/* the part of bytes[DMM_FREE] that malloc_trim(0) can give back; 0: not known */
	size_t trimmable;
	size_t calls[5];                    /* by enum usage_call; all 0 unless they are counted */
};

enum usage_call { USAGE_MALLOC, USAGE_CALLOC, USAGE_REALLOC, USAGE_ALIGNED, USAGE_FREE };

/* ---- brought by malloc_any.c or malloc_fast.c; thread-safe unless said otherwise ------------- */

void *interpose_new(size_t align, size_t n, enum origin origin); /* operator new without a throw */
void interpose_measure(struct usage *u);
size_t interpose_trim(size_t keep); /* bytes given back */
/* mallopt(M_PERTURB, byte): from now on fill new objects with ~byte and freed objects with byte; 0:
 * stop filling.  False: refused, nothing changed. */
bool interpose_perturb(unsigned char byte);
/* Make every lock of the heap ours, so that the child finds it whole; then give them back. */
void interpose_before_fork(void);
void interpose_after_fork_parent(void);
void interpose_after_fork_child(void);

/* ---- brought by the pages beside them -------------------------------------------------------- */

/* Call the three functions above around every fork.  Call this once, before the heap takes its
 * first lock; it may allocate.  Of all handlers, the one that was registered first runs last before
 * a fork, when no other handler can allocate any more. */
void fork_guard(void);

/* Print the usage when the program ends, on what is stderr now: many a program closes it first. */
void usage_at_exit(void);

/* No memory for operator new(n), aligned to `align`: call the new handler, try again, and so on.
 * The first throws std::bad_alloc when there is no handler, the second returns NULL. */
void *new_again(size_t n, size_t align, enum origin origin);
void *new_again_nothrow(size_t n, size_t align, enum origin origin);

#endif
