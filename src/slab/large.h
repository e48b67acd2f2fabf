/* large.h - one object, one run of granules: what is larger than MEDIUM_MAX or
 * aligned beyond a page.
 *
 *   run    | granule | granule | ...  | granule |   struct slab of the first: GRANULE_RUN, .run
 *   object |<------------- usable ------------->|   whole granules; untouched pages cost nothing
 *
 * Invariants:
 *   L1 alone   a GRANULE_RUN's granules are all taken in the page heap
 */
#ifndef SLAB_LARGE_H
#define SLAB_LARGE_H

#include "slab/slab.h"

/* align: a power of two; *clean: reads as zero.  NULL and errno: no memory. */
void *large_malloc(size_t n, size_t align, bool *clean);
void *large_calloc(size_t n);
void large_free(struct slab *run, const void *p);
/* Grow or shrink, in place or by moving pages, not bytes; NULL and errno: nothing changed. */
void *large_resize(struct slab *run, size_t n);
/* Move the pages after the first len bytes from one run to another, if there are enough of them. */
enum moved {
	MOVED_NOT,
	MOVED,
	MOVED_PARTLY,  /* and the rest was copied */
	/* the pages stayed, and the target is lost: it never becomes accessible again */
	MOVED_AND_LOST
};
enum moved large_move_pages(char *from, char *to, size_t len);
/* The heap has closed: forget the observations of its large objects. */
void large_forget(void);

#endif
