/* mapped.h - one object, one mapping: for objects larger than MAPPED_FROM, and for those that the
 * window has no room for.
 *
 *   table     | address, bytes | address, bytes | ...     in address order, in a mapping of its own
 *                   \--> | object, whole pages |          where the kernel likes
 *                   \--> |g| object         |g|           hardened: between inaccessible pages
 *
 * Such an object lies outside of the heap's addresses, so that every test of the fast path fails
 * for it, and the slow paths ask here.  malloc is one mmap, free one munmap, realloc one mremap:
 * untouched pages cost nothing, however large the object is. The last freed ones are remembered, to
 * name a double free.
 *
 * All functions take mapped_lock themselves.
 */
#ifndef SLAB_MAPPED_H
#define SLAB_MAPPED_H

#include "slab/slab.h"

static const size_t MAPPED_FROM = 1 << 30; /* bytes */

extern struct lock mapped_lock;

/* *clean: reads as zero.  NULL and errno: no memory. */
void *mapped_malloc(size_t n, size_t align, bool *clean);
/* False: p is no such object's start. */
bool mapped_free(void *p);
/* Grow or shrink one, by moving pages, not bytes; NULL and errno: nothing changed. */
void *mapped_resize(void *p, size_t n);
/* Its mapping is not there any more. */
void mapped_forget(const void *p);
/* Bytes of the live one that begins at p; 0: none does. */
size_t mapped_size(const void *p);
/* The i-th range that was freed and that the kernel refused to unmap: no memory lies behind its
 * addresses; NULL: there are fewer. The caller holds mapped_lock, or is alone. */
const struct mapped_object *mapped_refused(unsigned i);
/* End the program with a message if p lies in such an object or is the start of one
 * that was freed. */
void mapped_bad_pointer(const char *call, const void *p);

/* All goes back. */
void mapped_close(void);

#endif
