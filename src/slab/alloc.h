/* alloc.h - the functions behind the fast path, and the rest of the malloc family.
 *
 * All are thread-safe.  What returns a pointer returns NULL with errno = ENOMEM when there is no
 * memory (EINVAL where said); nothing else touches errno.  Misuse ends the program with one line.
 */
#ifndef SLAB_ALLOC_H
#define SLAB_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *slab_malloc_slow(size_t n);
void slab_free_slow(void *p);          /* NULL is allowed */
/* The same for an aligned p whose unit is below root.units; place: own_place() of its granule
 * (fast.h). */
void slab_free_elsewhere(void *p, size_t place);
/* The rest of a free, which marked p, if it was the first into the slab since its owner looked.
 * tag: of p's granule; caller: see purge_check(). */
void slab_free_first(const void *p, uint32_t tag, const void *caller);
void *slab_calloc(size_t count, size_t n);
void *slab_realloc(void *p, size_t n); /* n == 0 frees and returns NULL */
/* align: a power of two (else EINVAL), n: any. */
void *slab_aligned(size_t align, size_t n);
size_t slab_usable(const void *p);     /* bytes; 0 for NULL */
/* free() by a caller who names the requested size: checked. */
void slab_free_sized_slow(void *p, size_t n);
void slab_free_aligned_sized(void *p, size_t align, size_t n);
/* give back all dirty memory but `keep` bytes; bytes returned */
size_t slab_trim(size_t keep);

#endif
