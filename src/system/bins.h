/* bins.h - the bins implementation, for gnu, which uses it for small chunks. */
#ifndef SYSTEM_BINS_H
#define SYSTEM_BINS_H

#include "system/chunk.h"
#include "system/policy/coalesce.h"
#include "system/policy/spacing.h"

struct bins {
	struct chunk_heap heap;
	struct chunk **bin;     /* [BINS], in a mapping of its own: the front of each list */
	uint64_t map[BINS / 64]; /* bit i: bin[i] is not empty */
	enum dmm_fit fit;
	enum dmm_spacing spacing;
	struct waiting waiting;
};

int bins_open(void *st, const struct dmm_params *params, const struct dmm_os *os);
void bins_close(void *st);
void *bins_alloc(void *st, size_t n, size_t align);
void bins_free(void *st, void *p);
void *bins_resize(void *st, void *p, size_t n);
size_t bins_usable(void *st, const void *p);
int bins_walk(void *st, dmm_visit *visit, void *arg);
bool bins_check(void *st, struct dmm_fault *why);
void *bins_next_free(void *st, int32_t bin, const void *after);

#endif
