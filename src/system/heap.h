/* heap.h - what every system needs and no lecture page repeats: the C library's rules.
 *
 *   zero bytes, overflow, errno       malloc calloc realloc as C and POSIX have them
 *   one lock                          around every call of a system without DMM_THREADS
 *   over-alignment                    for a system that gives less than asked: allocate more, and
 *                                     note aligned address -> address in a table of our own
 *   fork                              heap_before_fork, heap_after_fork_*: the lock is held across
 *
 * Who may touch what: `sys` and `state` are constant after heap_open; `aligned` belongs to `lock`.
 * All functions are thread-safe but heap_open, heap_close.  Pointers are owned by the caller until
 * heap_free.  On failure they return NULL and set errno to ENOMEM (EINVAL for a bad alignment);
 * heap_free keeps errno.
 */
#ifndef SYSTEM_HEAP_H
#define SYSTEM_HEAP_H

#include "base/lock.h"
#include "dmm_system.h"
#include "system/aligned.h"

struct heap {
	const struct dmm_system *sys;
	const struct dmm_os *os;
	void *state; /* mapped from os, sys->state_size bytes */
	struct lock lock;
	struct aligned aligned;
};

/* 0 or -errno.  params: NULL for the system's defaults. */
int heap_open(struct heap *h, const struct dmm_system *sys, const struct dmm_params *params,
    const struct dmm_os *os);
void heap_close(struct heap *h);
/* Bytes that this layer itself holds of `os`: the state and the table. All other bytes are the
 * system's. */
size_t heap_own_bytes(const struct heap *h);

void *heap_malloc(struct heap *h, size_t n);
void *heap_calloc(struct heap *h, size_t count, size_t n);
/* realloc(p, 0) frees p and returns NULL, as glibc does. */
void *heap_realloc(struct heap *h, void *p, size_t n);
/* `align` any power of two; smaller ones count as DMM_ALIGN_MIN. */
void *heap_aligned(struct heap *h, size_t align, size_t n);
void heap_free(struct heap *h, void *p);
size_t heap_usable(struct heap *h, const void *p); /* bytes; 0 for NULL */

int heap_walk(struct heap *h, dmm_visit *visit, void *arg);
bool heap_check(struct heap *h, struct dmm_fault *why);
size_t heap_trim(struct heap *h, size_t keep); /* bytes given back */
/* The free payload after `after` in the list of a bin; NULL begins and ends it. */
void *heap_next_free(struct heap *h, int32_t bin, const void *after);

void heap_before_fork(struct heap *h);
void heap_after_fork_parent(struct heap *h);
void heap_after_fork_child(struct heap *h);

#endif
