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
/* Move the pages behind len bytes, of one run to another, if there are enough of them. */
enum moved {
	MOVED_NOT,
	MOVED,
	MOVED_PARTLY,  /* and the rest was copied */
	/* they are where they were, and the target will never be accessible any more */
	MOVED_AND_LOST
};
enum moved large_move_pages(char *from, char *to, size_t len);
/* The heap has closed: what was seen of its large objects means nothing to the next. */
void large_forget(void);

#endif
