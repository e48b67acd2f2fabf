/* bins_at.c - a chunk whose payload begins at a multiple of something: a page, for a run. */
#include "system/bins.h"
#include "system/policy/footer.h"
#include "system/policy/split.h"

enum { TRIES = 16 }; /* free chunks that are looked at before the heap grows */

/* Where in the free chunk c, or a chunk that begins there, the chunk would stand. */
static struct chunk *place(const struct bins *b, struct chunk *c, size_t align)
{
	const struct chunk_heap *const h = &b->heap;
	struct chunk *at = chunk_of(h, (void *)round_up((uintptr_t)chunk_payload(h, c), align));

	/* too little in front to be a chunk */
	while (at != c && ptr_diff(at, c) < chunk_least(h, c))
		at = ptr_add(at, align);
	return at;
}

static bool fits(const struct bins *b, struct chunk *c, size_t size, size_t align)
{
	return ptr_diff(place(b, c, align), c) + size <= chunk_size(c);
}

static struct chunk *look(const struct bins *b, size_t size, size_t align)
{
	size_t tries = 0;

	for (size_t i = bins_full_from(b, bins_of(b, size)); i < BINS;
	    i = bins_full_from(b, i + 1)) {
		struct chunk *c = b->bin[i];
		do {
			if (fits(b, c, size, align))
				return c;
			c = chunk_next(&b->heap, c);
		} while (c != b->bin[i] && ++tries < TRIES);
		if (tries >= TRIES)
			break;
	}
	return b->top != NULL && fits(b, b->top, size, align) ? b->top : NULL;
}

/* The chunk at the heap's top, once it is long enough for one to fit; NULL: no memory. */
static struct chunk *grow_to_fit(struct bins *b, size_t size, size_t align)
{
	struct chunk_heap *const h = &b->heap;

	for (;;) {
		struct chunk *top = h->last;
		size_t have = 0;
		if (top == NULL) {
			if (!bins_grow(b, size))
				return NULL;
			continue;
		}
		if (chunk_before_free(h, h->last)) {
			top = chunk_before(h, h->last);
			have = chunk_size(top);
		}
		const size_t want = ptr_diff(place(b, top, align), top) + size;
		if (want <= have)
			return top;
		if (!bins_grow(b, want - have))
			return NULL;
	}
}

struct chunk *bins_take_at(struct bins *b, size_t size, size_t align)
{
	struct chunk_heap *const h = &b->heap;
	struct chunk *c = look(b, size, align);

	if (c == NULL && bins_merge_waiting(b))
		c = look(b, size, align);
	if (c == NULL)
		c = grow_to_fit(b, size, align);
	if (c == NULL)
		return NULL;
	bins_take_out(b, c);
	struct chunk *const at = place(b, c, align);
	if (at != c) {
		chunk_split(h, c, ptr_diff(at, c));
		bins_insert(b, c);
	}
	bins_use(b, at, size);
	footer_guard(h, at);
	return at;
}
