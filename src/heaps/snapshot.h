/* snapshot.h - the pieces of a heap at one moment, in memory of their own: whoever looks at them
 * holds no lock. */
#ifndef HEAPS_SNAPSHOT_H
#define HEAPS_SNAPSHOT_H

#include "system/heap.h"

struct snapshot {
	struct dmm_piece *piece; /* in order of address */
	size_t count, room;
};

/* False: no memory for it. */
bool snapshot_take(struct snapshot *s, struct heap *h);
void snapshot_drop(struct snapshot *s);

#endif
