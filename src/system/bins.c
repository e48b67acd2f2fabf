/* bins.c - DMM system 5: an array of doubly linked lists, by size.
 *
 *   bin[3]   ---> 48 <---> 48                     bin[i] holds free chunks of i units of 16 bytes
 *   bin[4]   ---> 64
 *   bin[5]                                        an empty bin: its bit in the map is 0
 *     :
 *   bin[511] ---> 9008 <---> 8176 <---> 70000     exception: the final bin holds MAX_BIN and larger
 *
 *   the free chunk at the heap's top stands behind the final bin, whatever its size: it is cut last
 *   (the "wilderness" of Korn and Vo, 1985), so that what lies below it can grow, and the heap
 *   shrink
 *
 *   chunk    | size, L | next | payload ... | size | prev |    as in dlist
 *
 * Invariants, checked under these names: C1 aligned, C2 footer, C3 mirror, C4 merged, C5 listed,
 * C6 waiting (chunk.h), F1 linked (policy/fit.h), and
 *   B1 bin      every chunk is in the bin of its size
 *   B2 map      a bit of the map is set exactly if its bin is not empty
 *   B3 top      the free chunk at the heap's top, and no other, stands behind the final bin
 * malloc is best fit and O(1) for small chunks; the last bin is a list again.  free is O(1).
 * Beside the slide: a bitmap finds the next bin that is not empty; the appendix's techniques are
 * parameters (fit, split_min, coalesce, footer, reuse, bin_spacing), by default as taught.
 * Sees and cannot see what dlist does.
 */
#include "system/bins.h"

#include "system/policy/fit.h"
#include "system/policy/footer.h"
#include "system/policy/split.h"

void bins_insert(struct bins *b, struct chunk *c)
{
	const size_t i = bins_of(b, chunk_size(c));

	if (chunk_after(c) == b->heap.last) {
		b->top = c;
		return;
	}
	fit_insert(&b->heap, &b->bin[i], c, b->fit);
	b->map[i / 64] |= (uint64_t)1 << i % 64;
}

void bins_take_out(struct bins *b, struct chunk *c)
{
	const size_t i = bins_of(b, chunk_size(c));

	if (c == b->top) {
		b->top = NULL;
		return;
	}
	fit_remove(&b->heap, &b->bin[i], c);
	if (b->bin[i] == NULL)
		b->map[i / 64] &= ~((uint64_t)1 << i % 64);
}

/* c and next, neighbours in memory and both free: remove both, coalesce, insert. */
static struct chunk *merge(struct bins *b, struct chunk *c, struct chunk *next)
{
	bins_take_out(b, c);
	bins_take_out(b, next);
	c = chunk_coalesce(&b->heap, c, next);
	bins_insert(b, c);
	return c;
}

static void merge_with_neighbours(struct bins *b, struct chunk *c)
{
	struct chunk *const next = chunk_after(c);

	if (!chunk_live(next))
		c = merge(b, c, next);
	if (chunk_before_free(&b->heap, c))
		merge(b, chunk_before(&b->heap, c), c);
}

/* Set status, insert into proper bin, next free?  previous free? */
void bins_give(struct bins *b, struct chunk *c)
{
	chunk_set_free(&b->heap, c);
	bins_insert(b, c);
	merge_with_neighbours(b, c);
}

/* coalesce:deferred: merge the waiting chunks now. False: none waited. */
bool bins_merge_waiting(struct bins *b)
{
	size_t from = 0;
	struct chunk *c;

	if (b->waiting.count == 0)
		return false;
	while ((c = waiting_any(&b->waiting, &from)) != NULL) {
		footer_verify_before(&b->heap, c);
		bins_give(b, c);
	}
	return true;
}

/* Search proper bin(s) for big-enough chunk: from the bin of this size upward. */
static struct chunk *search(struct bins *b, size_t need)
{
	for (size_t i = bins_full_from(b, bins_of(b, need)); i < BINS;
	    i = bins_full_from(b, i + 1)) {
		struct chunk *const c = fit_search(&b->bin[i], need, b->fit);
		if (c != NULL)
			return c;
	}
	return b->top != NULL && chunk_size(b->top) >= need ? b->top : NULL;
}

/* Increase heap size, create new chunk, insert. */
bool bins_grow(struct bins *b, size_t least)
{
	struct chunk *const top = b->top;

	if (top != NULL)
		bins_take_out(b, top); /* it is the top no more */
	struct chunk *const c = chunk_grow(&b->heap, max_size(least, b->heap.grow_min));
	if (top != NULL)
		bins_insert(b, top);
	if (c == NULL)
		return false;
	footer_verify_before(&b->heap, c);
	bins_insert(b, c);
	merge_with_neighbours(b, c);
	return true;
}

/* One that the heap has already, perhaps in parts that wait to be merged. */
static struct chunk *search_all(struct bins *b, size_t need)
{
	struct chunk *const c = search(b, need);
	return c == NULL && bins_merge_waiting(b) ? search(b, need) : c;
}

bool bins_have_room(struct bins *b, size_t n)
{
	return search_all(b, chunk_need(&b->heap, n)) != NULL;
}

/* A free chunk that is big enough, still in its bin. */
static struct chunk *find(struct bins *b, size_t need)
{
	struct chunk *c = search_all(b, need);

	if (c == NULL && bins_grow(b, chunk_lacks(&b->heap, need)))
		c = search(b, need); /* the new chunk is then treated as found */
	/* other code moved the break: the new chunk does not continue the heap */
	if (c == NULL && bins_grow(b, need))
		c = search(b, need);
	return c;
}

struct chunk *bins_take(struct bins *b, size_t need)
{
	struct chunk *c = waiting_pop(&b->waiting, need);

	if (c == NULL) {
		c = find(b, need);
		if (c == NULL)
			return NULL;
		bins_take_out(b, c); /* remove */
		bins_use(b, c, need);
	}
	footer_guard(&b->heap, c);
	return c;
}

void bins_use(struct bins *b, struct chunk *c, size_t need)
{
	need = max_size(need, chunk_least(&b->heap, c));
	if (split_too_big(&b->heap, c, need))
		bins_insert(b, chunk_split(&b->heap, c, need)); /* split, insert tail */
	chunk_set_live(&b->heap, c);                            /* set status; use front */
}

void bins_put(struct bins *b, struct chunk *c)
{
	if (waiting_takes(&b->waiting, chunk_size(c))) {
		waiting_push(&b->waiting, c);
		if (waiting_full(&b->waiting))
			bins_merge_waiting(b);
	} else {
		bins_give(b, c);
	}
}
