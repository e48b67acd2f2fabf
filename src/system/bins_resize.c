/* bins_resize.c - realloc in place, or a little below, where the free neighbours have room.
 *
 *   next free, both together big enough    | c        | free          |      c grows into next
 *   at the heap's top, next free or none   | c        | free | brk -->       the heap grows
 *   previous free, all together big enough | free | c        | free |        c moves to the front
 *
 * What is too much is split off and freed; chunks that wait to be merged (coalesce:deferred) are,
 * where the next one is among them.
 */
#include <string.h>

#include "system/bins.h"
#include "system/policy/footer.h"
#include "system/policy/split.h"

static size_t free_size(const struct chunk *c)
{
	return chunk_live(c) ? 0 : chunk_size(c);
}

/* Merge c with the free chunk after it into one live chunk of at least `need` bytes. False: both
 * together are smaller. */
static bool extend(struct bins *b, struct chunk *c, size_t need)
{
	struct chunk_heap *const h = &b->heap;
	struct chunk *const next = chunk_after(c);

	if ((next->head & CHUNK_W) != 0)
		bins_merge_waiting(b);
	const size_t have = chunk_size(c) + free_size(next);
	const bool at_top = next == h->last || (!chunk_live(next) && chunk_after(next) == h->last);
	if (have < need && (!at_top || !bins_grow(b, need - have)))
		return false;
	/* other code moved the break: the new chunk is elsewhere */
	if (chunk_size(c) + free_size(next) < need)
		return false;
	bins_take_out(b, next);
	chunk_coalesce(h, c, next);
	chunk_set_live(h, c);
	return true;
}

/* c, moved to the front of the free chunk before it; NULL: that, c, and a free next are not
 * enough. */
static struct chunk *slide(struct bins *b, struct chunk *c, size_t need)
{
	struct chunk_heap *const h = &b->heap;
	struct chunk *const next = chunk_after(c);

	footer_verify_before(h, c);
	if (!chunk_before_free(h, c))
		return NULL;
	struct chunk *const prev = chunk_before(h, c);
	if (chunk_size(prev) + chunk_size(c) + free_size(next) < need)
		return NULL;
	const size_t usable = chunk_usable(h, c);
	bins_take_out(b, prev);
	if (!chunk_live(next)) {
		bins_take_out(b, next);
		chunk_coalesce(h, c, next);
	}
	const size_t size = chunk_size(prev) + chunk_size(c);
	memmove(chunk_payload(h, prev), chunk_payload(h, c), usable);
	prev->head = size | (prev->head & CHUNK_P) | CHUNK_L;
	chunk_set_size(h, prev, size);
	chunk_set_live(h, prev);
	return prev;
}

struct chunk *bins_resize_chunk(struct bins *b, struct chunk *c, size_t need)
{
	struct chunk_heap *const h = &b->heap;

	footer_verify(h, c);
	if (chunk_size(c) < need && !extend(b, c, need)) {
		c = slide(b, c, need);
		if (c == NULL)
			return NULL;
	}
	need = max_size(need, chunk_least(h, c));
	if (split_too_big(h, c, need))
		bins_give(b, chunk_split(h, c, need));
	footer_guard(h, c);
	return c;
}
