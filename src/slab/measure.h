/* measure.h - how many bytes of the heap are live, free, tables: sums, without a walk
 * object by object. */
#ifndef SLAB_MEASURE_H
#define SLAB_MEASURE_H

#include <stddef.h>

#include "slab/size_class.h"

/* live + free + lost is the payload that is mapped, and objects in mappings of their own. */
struct slab_sums {
	size_t live, live_pieces; /* bytes of live objects with their padding; objects */
	/* free objects in slabs and in threads' magazines, and free runs of granules */
	size_t free, free_pieces;
	size_t lost, lost_pieces; /* tails of slabs, and objects in transit between lists */
	/* part of `free`: resident runs, which slab_trim() can give back */
	size_t dirty;
	size_t tables;            /* metadata that is mapped, outside of payload */
	size_t large, large_pieces;     /* of live: runs and mappings */
	size_t guarded, guarded_pieces; /* of live */
	/* Of live and free: objects in slabs.  live_pieces is the sum of those of all classes,
	 * large_pieces and guarded_pieces. */
	struct slab_class_sums {
		size_t slabs, live_pieces, free_pieces;
	} cls[CLASS_MAX];
};

/* What the slabs of one heap hold. */
struct slab_heap_sums {
	size_t slabs, live, live_pieces, free, free_pieces;
};

/* Thread-safe; it takes page_lock, for one chunk at a time.  Exact while no other thread allocates
 * or frees. */
void slab_measure(struct slab_sums *m);
/* The same, and the slabs of each heap, by its number: those of heaps from `count` on, and of slabs
 * that change hands at this moment, are in row 0.  The rows sum to the classes' figures. */
void slab_measure_heaps(struct slab_sums *m, struct slab_heap_sums *heaps, size_t count);

#endif
