/* coalesce.h - deferred coalescing: a freed chunk waits, by size, for a malloc of that very size.
 *
 *   list[i] ---> c ---> c ---> NULL      chunks of i * 16 bytes, last in, first out
 *
 * A waiting chunk keeps its status "live", so that no neighbour merges with it, and gets the bit W,
 * so that a second free is still seen.  malloc(n); free(p); malloc(n) then costs a push and a pop.
 * When `max` chunks wait, and before the heap grows, all of them are freed in earnest and merged.
 * coalesce:now is max == 0.
 */
#ifndef SYSTEM_POLICY_COALESCE_H
#define SYSTEM_POLICY_COALESCE_H

#include "base/assert.h"
#include "system/chunk.h"

enum { WAITING_LISTS = 65 }; /* chunks up to 1,024 bytes; larger ones are merged at once */

struct waiting {
	struct chunk *list[WAITING_LISTS];
	size_t count, max; /* chunks */
};

static inline void waiting_open(struct waiting *w, const struct dmm_params *params)
{
	CHECK(params->coalesce <= DMM_COALESCE_DEFERRED);
	*w = (struct waiting){
	    .max = params->coalesce == DMM_COALESCE_DEFERRED ? params->deferred_max : 0};
}

static inline bool waiting_full(const struct waiting *w)
{
	return w->count >= w->max;
}

/* May chunks of this size wait, and does the bound allow one more? */
static inline bool waiting_takes(const struct waiting *w, size_t size)
{
	return size / MAX_ALIGN < WAITING_LISTS && !waiting_full(w);
}

static inline void waiting_push(struct waiting *w, struct chunk *c)
{
	struct chunk **const list = &w->list[chunk_size(c) / MAX_ALIGN];

	DEBUG_CHECK(waiting_takes(w, chunk_size(c)));
	DEBUG_CHECK((c->head & (CHUNK_L | CHUNK_W)) == CHUNK_L);
	c->head |= CHUNK_W;
	c->next = *list;
	*list = c;
	w->count++;
}

/* A chunk of exactly `size` bytes, live again; NULL: none waits. */
static inline struct chunk *waiting_pop(struct waiting *w, size_t size)
{
	if (size / MAX_ALIGN >= WAITING_LISTS)
		return NULL;
	struct chunk **const list = &w->list[size / MAX_ALIGN], *const c = *list;
	if (c == NULL)
		return NULL;
	DEBUG_CHECK(w->count > 0 && chunk_size(c) == size / MAX_ALIGN * MAX_ALIGN);
	DEBUG_CHECK((c->head & (CHUNK_L | CHUNK_W)) == (CHUNK_L | CHUNK_W));
	*list = c->next;
	w->count--;
	c->head &= ~(size_t)CHUNK_W;
	return c;
}

/* Any of them, to be freed in earnest; *from, 0 at first, remembers which lists are empty. */
static inline struct chunk *waiting_any(struct waiting *w, size_t *from)
{
	while (*from < WAITING_LISTS) {
		struct chunk *const c = waiting_pop(w, *from * MAX_ALIGN);
		if (c != NULL)
			return c;
		++*from;
	}
	return NULL;
}

#endif
