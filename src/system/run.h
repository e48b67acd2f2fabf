/* run.h - tiny objects in headerless runs, a bit each: the appendix's segregated data inside bins
 * (runs:N).
 *
 *              an address that RUN_LEN divides: free finds the run of an object by a mask
 *              v
 *  | chunk | L | links, class | bits 1101.. | 16 | 16 | 16 | 16 | .. | rest | chunk ... |
 *          `-- a live chunk of RUN_LEN bytes, to the heap one like others --`
 *
 *   a bit is 1 while its slot is the program's      class[k] ---> run <---> run
 *                                                   runs with a free slot
 *   map    | 0 | 1 | 1 | 0 | ...      the i-th RUN_LEN bytes of the heap hold a run
 *
 * A header costs nothing to an object of 8 bytes: payload and header make 16.  But one of 16 bytes
 * then needs
 * 32.  So a run takes what a header would cost another granule: up to N bytes, with n % 16 in
 * 9..15, or 0.  A class begins its first run when RUN_TRIAL objects of it have had chunks of their
 * own; a run whose slots are all free is a free chunk again.
 *
 * Invariants, checked under these names by runs_check():
 *   R1 mapped    a bit of the map is set exactly for a run, a live chunk at a multiple of RUN_LEN
 *   R2 counted   a run's count of free slots is the number of its bits that are 0, and not all are
 *   R3 listed    a run is in its class's ring exactly while it has a free slot
 * By its bit a second free is seen, and by its place an address that is no object's.
 */
#ifndef SYSTEM_RUN_H
#define SYSTEM_RUN_H

#include "system/chunk.h"

enum {
	RUN_LEN = 4096,
	RUN_CLASSES = 16,             /* 16, 32, .. 256 bytes */
	RUN_TRIAL = 16,               /* objects */
	RUN_BITS = RUN_LEN / 16,
	/* words: 4,096 runs, 16 MiB of heap, before the map needs pages */
	RUN_MAP_FIRST = 64,
};

struct tiny_run {
	struct tiny_run *next, *prev; /* a ring, while a slot is free */
	uint32_t size;                /* bytes a slot */
	uint16_t slots, unused;
	uint64_t live[RUN_BITS / 64];
};

struct runs {
	size_t max; /* bytes of an object; 0: no runs */
	struct tiny_run *ring[RUN_CLASSES];
	uint32_t tried[RUN_CLASSES]; /* objects that got chunks, up to RUN_TRIAL */
	size_t count;                /* runs */
	uint64_t *map;
	size_t map_bits;
	uint64_t first[RUN_MAP_FIRST];
};

static inline struct tiny_run *run_of(const void *p)
{
	return (struct tiny_run *)round_down((uintptr_t)p, RUN_LEN);
}

static inline size_t run_class(size_t n)
{
	return (n - 1) / MAX_ALIGN;
}

/* Which bit of the map is p's?  p lies in the heap. */
static inline size_t runs_bit(const struct chunk_heap *h, const void *p)
{
	return ptr_diff(p, (void *)round_down((uintptr_t)h->first, RUN_LEN)) / RUN_LEN;
}

static inline bool runs_mapped(const struct runs *r, size_t bit)
{
	return bit < r->map_bits && (r->map[bit / 64] >> bit % 64 & 1) != 0;
}

/* Does p, any address, lie in a run? */
static inline bool runs_hold(const struct runs *r, const struct chunk_heap *h, const void *p)
{
	return r->count != 0 && (char *)p > (char *)h->first && (char *)p < (char *)h->last &&
	    runs_mapped(r, runs_bit(h, p));
}

static inline size_t runs_usable(const void *p)
{
	return run_of(p)->size;
}

/* Would a slot for n bytes be smaller than the chunk of `need` bytes? */
static inline bool runs_want(const struct runs *r, size_t n, size_t need)
{
	return n <= r->max && round_up(n, MAX_ALIGN) < need;
}

static inline bool runs_have_room(const struct runs *r, size_t n)
{
	return r->ring[run_class(n)] != NULL;
}

void runs_open(struct runs *r, size_t max);

/* One more object of n bytes is wanted: is it time for a run? */
bool runs_pay(struct runs *r, size_t n);

/* The map in `bits` zeroed bits at `map` from now on. */
void runs_move_map(struct runs *r, void *map, size_t bits);

/* The live chunk c, RUN_LEN bytes or a little more, becomes a run for objects of n bytes; the
 * map has its bit. */
void runs_begin(struct runs *r, const struct chunk_heap *h, struct chunk *c, size_t n);

/* A slot for n bytes where there is room. */
void *runs_take(struct runs *r, size_t n);

/* p, in a run, is free again; the chunk of its run if that was the last object, else NULL.  Ends
 * the program if p is no live slot. */
struct chunk *runs_give(struct runs *r, const struct chunk_heap *h, void *p);

/* Show the slots of c, if it is a run; false: it is not. */
bool runs_walk(const struct runs *r, const struct chunk_heap *h, const struct chunk *c,
    dmm_visit *visit,
    void *arg, int *result);
bool runs_check(const struct runs *r, const struct chunk_heap *h, struct dmm_fault *why);

/* The free slot after `after` of a class, the first for NULL; NULL ends them. */
void *runs_next_free(const struct runs *r, size_t class, const void *after);

#endif
