/* bins.h - the bins implementation, for gnu, which uses it for small chunks. */
#ifndef SYSTEM_BINS_H
#define SYSTEM_BINS_H

#include "system/chunk.h"
#include "system/policy/coalesce.h"
#include "system/policy/spacing.h"

struct bins {
	struct chunk_heap heap;
	struct chunk **bin;      /* [BINS], in a mapping of its own: the front of each list */
	uint64_t map[BINS / 64]; /* bit i: bin[i] is not empty */
	enum dmm_fit fit;
	enum dmm_spacing spacing;
	struct waiting waiting;
};

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

int bins_open(void *st, const struct dmm_params *params, const struct dmm_os *os);
void bins_close(void *st);
void *bins_alloc(void *st, size_t n, size_t align);
void bins_free(void *st, void *p);
void *bins_resize(void *st, void *p, size_t n);
size_t bins_usable(void *st, const void *p);
int bins_walk(void *st, dmm_visit *visit, void *arg);
bool bins_check(void *st, struct dmm_fault *why);
void *bins_next_free(void *st, int32_t bin, const void *after);


/* The parts, for who does more at the heap's end. */
void bins_insert(struct bins *b, struct chunk *c);
void bins_take_out(struct bins *b, struct chunk *c);
bool bins_merge_waiting(struct bins *b); /* false: nobody waited */
int bins_walk_table(const struct bins *b, dmm_visit *visit, void *arg);
int bins_walk_heap(const struct bins *b, dmm_visit *visit, void *arg);

#endif
