/* tcache.h - a model of glibc's cache of freed chunks, "tcache" (since glibc 2.26).
 *
 *   free    a chunk of at most 1040 bytes, and fewer than 7 of its size are cached: it is cached;
 *           the heap still counts it as in use, so no neighbour merges with it
 *   malloc  takes the chunk of its size that was cached last
 *
 * So up to 7 chunks of each size stay in use for the heap after the program freed them.  Where one
 * of them lies near the heap's top, the heap cannot shrink below it.  These are the rules of
 * glibc's malloc.c and of its tunables glibc.malloc.tcache_count and tcache_max, as they are by
 * default.  calloc, realloc and aligned requests take nothing from the cache, as in glibc up to
 * 2.40.  Left out, so that the model caches less than glibc: each thread of a program has a cache
 * of its own, glibc also fills a cache from its bins, and a realloc that moves caches the old
 * chunk.
 */
#ifndef LAB_REPLAY_TCACHE_H
#define LAB_REPLAY_TCACHE_H

#include "replay/ops.h"

enum { TCACHE_BINS = 64, TCACHE_COUNT = 7 };

/* All zero: empty.  Nothing owns what is left in it: close the heap. */
struct tcache {
	void *chunk[TCACHE_BINS][TCACHE_COUNT];
	unsigned char count[TCACHE_BINS];
};

/* The bin of a request: chunks are multiples of 16 bytes, 32 at least, 8 of them the header.
 * TCACHE_BINS: too large. */
static inline size_t tcache_bin(uint64_t size)
{
	if (size > 32 + 16 * (TCACHE_BINS - 1) - 8)
		return TCACHE_BINS;
	return size <= 24 ? 0 : (size + 8 + 15) / 16 - 2;
}

/* p was requested with this size.  t NULL: no cache.  False: it is not cached, free it. */
static inline bool tcache_push(struct tcache *t, void *p, uint64_t size)
{
	const size_t bin = tcache_bin(size);

	if (t == NULL || p == NULL || bin == TCACHE_BINS || t->count[bin] == TCACHE_COUNT)
		return false;
	t->chunk[bin][t->count[bin]++] = p;
	return true;
}

/* For a new object.  NULL: none is cached for it, ask the heap. */
static inline void *tcache_pop(struct tcache *t, const struct replay_op *op)
{
	if (t == NULL || op->op == TRACE_OP_CALLOC || op->align_log2 > 4)
		return NULL;
	const size_t bin = tcache_bin(op->size);
	return bin != TCACHE_BINS && t->count[bin] != 0 ? t->chunk[bin][--t->count[bin]] : NULL;
}

#endif
