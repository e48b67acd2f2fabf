/* bins.h - the bins implementation: chunks in bins (bins.c), and what makes a malloc of it. */
#ifndef SYSTEM_BINS_H
#define SYSTEM_BINS_H

#include "system/chunk.h"
#include "system/policy/coalesce.h"
#include "system/policy/spacing.h"
#include "system/run.h"

struct bins {
	struct chunk_heap heap;
	struct chunk **bin;      /* [BINS], in a mapping of its own: the front of each list */
	/* bytes of that mapping: the map of runs may follow the bins */
	size_t table_len;
	/* the free chunk at the heap's top, which is in no list; NULL: it is live */
	struct chunk *top;
	uint64_t map[BINS / 64]; /* bit i: bin[i] is not empty */
	enum dmm_fit fit;
	enum dmm_spacing spacing;
	struct waiting waiting;
	struct runs runs;
};

static inline size_t bins_of(const struct bins *b, size_t size)
{
	return spacing_bin(b->spacing, size);
}

/* The first bin from i upward that is not empty; BINS: there is none. */
static inline size_t bins_full_from(const struct bins *b, size_t i)
{
	size_t word = i / 64;
	uint64_t bits = i < BINS ? b->map[word] & (~(uint64_t)0 << i % 64) : 0;

	while (bits == 0) {
		if (++word >= BINS / 64)
			return BINS;
		bits = b->map[word];
	}
	return word * 64 + (size_t)__builtin_ctzll(bits);
}

/* ---- chunks: bins.c, bins_at.c, bins_resize.c */

/* A live chunk of at least `need` bytes; NULL: no memory. */
struct chunk *bins_take(struct bins *b, size_t need);
/* The same with a payload that `align`, a power of two, divides. */
struct chunk *bins_take_at(struct bins *b, size_t size, size_t align);
/* The live chunk c is free: it may wait to be merged, or is at once. */
void bins_put(struct bins *b, struct chunk *c);
void bins_give(struct bins *b, struct chunk *c);
/* The live chunk c with at least `need` bytes, perhaps at a lower address; NULL: it is as it
 * was. */
struct chunk *bins_resize_chunk(struct bins *b, struct chunk *c, size_t need);

/* A free chunk has room for n bytes, so that the heap need not grow for them; what waits is merged
 * first if it must be. */
bool bins_have_room(struct bins *b, size_t n);

/* The parts, for who does more. */
void bins_insert(struct bins *b, struct chunk *c);
void bins_take_out(struct bins *b, struct chunk *c);
void bins_use(struct bins *b, struct chunk *c, size_t need); /* c is in no bin: split, set status */
bool bins_grow(struct bins *b, size_t least);                /* false: no memory */
bool bins_merge_waiting(struct bins *b);                     /* false: nobody waited */

/* ---- the malloc: bins_system.c */

int bins_open(void *st, const struct dmm_params *params, const struct dmm_os *os);
void bins_close(void *st);
void *bins_alloc(void *st, size_t n, size_t align);
void bins_free(void *st, void *p);
void *bins_resize(void *st, void *p, size_t n);
size_t bins_usable(void *st, const void *p);
int bins_walk(void *st, dmm_visit *visit, void *arg);
bool bins_check(void *st, struct dmm_fault *why);
void *bins_next_free(void *st, int32_t bin, const void *after);
int bins_walk_table(const struct bins *b, dmm_visit *visit, void *arg);
int bins_walk_heap(const struct bins *b, dmm_visit *visit, void *arg);

#endif
