/* bins.c - DMM system 5: an array of doubly linked lists, by size.
 *
 *   bin[3]   ---> 48 <---> 48                     bin[i] holds free chunks of i units of 16 bytes
 *   bin[4]   ---> 64
 *   bin[5]                                        an empty bin: its bit in the map is 0
 *     :
 *   bin[511] ---> 9008 <---> 8176 <---> 70000     exception: the final bin holds MAX_BIN and larger
 *
 *   chunk    | size, L | next | payload ... | size | prev |    as in dlist
 *
 * Invariants, checked under these names: C1 aligned, C2 footer, C3 mirror, C4 merged, C5 listed,
 * C6 waiting (chunk.h), F1 linked (policy/fit.h), and
 *   B1 bin      every chunk is in the bin of its size
 *   B2 map      a bit of the map is set exactly if its bin is not empty
 * malloc is best fit and O(1) for small chunks; the last bin is a list again.  free is O(1).
 * Beside the slide: a bitmap finds the next bin that is not empty; the appendix's techniques are
 * parameters (fit, split_min, coalesce, footer, reuse, bin_spacing), by default as taught.
 * Sees and cannot see what dlist does.
 */
#include "system/bins.h"

#include <errno.h>

#include "system/policy/fit.h"
#include "system/policy/footer.h"
#include "system/policy/split.h"
#include "system/systems.h"

enum { GROW_MIN = 64 << 10 }; /* bytes, the least growth: a brk for sixteen pages */

int bins_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct bins *const b = st;
	const int r = chunk_open(&b->heap, params, os);
	if (r != 0)
		return r;
	b->fit = params->fit;
	b->spacing = params->bin_spacing;
	waiting_open(&b->waiting, params);
	b->bin = os->map(os->ctx, BINS * sizeof *b->bin, os->page);
	return b->bin != NULL ? 0 : -ENOMEM;
}

void bins_close(void *st)
{
	struct bins *const b = st;
	const struct dmm_os *const os = b->heap.section.os;
	chunk_close(&b->heap);
	os->unmap(os->ctx, b->bin, BINS * sizeof *b->bin);
}

static inline size_t bin_of(const struct bins *b, size_t size)
{
	return spacing_bin(b->spacing, size);
}

void bins_insert(struct bins *b, struct chunk *c)
{
	const size_t i = bin_of(b, chunk_size(c));

	fit_insert(&b->heap, &b->bin[i], c, b->fit);
	b->map[i / 64] |= (uint64_t)1 << i % 64;
}

void bins_take_out(struct bins *b, struct chunk *c)
{
	const size_t i = bin_of(b, chunk_size(c));

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
static void give(struct bins *b, struct chunk *c)
{
	chunk_set_free(&b->heap, c);
	bins_insert(b, c);
	merge_with_neighbours(b, c);
}

/* coalesce:deferred: later is now.  False: nobody waited. */
bool bins_merge_waiting(struct bins *b)
{
	size_t from = 0;
	struct chunk *c;

	if (b->waiting.count == 0)
		return false;
	while ((c = waiting_any(&b->waiting, &from)) != NULL) {
		footer_verify_before(&b->heap, c);
		give(b, c);
	}
	return true;
}

/* Search proper bin(s) for big-enough chunk: from the bin of this size upward. */
static struct chunk *search(struct bins *b, size_t need)
{
	for (size_t i = bins_full_from(b, bin_of(b, need)); i < BINS; i = bins_full_from(b, i + 1)) {
		struct chunk *const c = fit_search(&b->bin[i], need, b->fit);
		if (c != NULL)
			return c;
	}
	return NULL;
}

/* Increase heap size, create new chunk, insert. */
static bool grow(struct bins *b, size_t need)
{
	struct chunk *const c = chunk_grow(&b->heap, max_size(need, b->heap.grow_min));

	if (c == NULL)
		return false;
	footer_verify_before(&b->heap, c);
	bins_insert(b, c);
	merge_with_neighbours(b, c);
	return true;
}

/* A free chunk that is big enough, still in its bin. */
static struct chunk *find(struct bins *b, size_t need)
{
	struct chunk *c = search(b, need);

	if (c == NULL && bins_merge_waiting(b))
		c = search(b, need);
	if (c == NULL && grow(b, need)) /* the new chunk is then treated as found */
		c = search(b, need);
	return c;
}

void *bins_alloc(void *st, size_t n, size_t align)
{
	struct bins *const b = st;
	const size_t need = chunk_need(&b->heap, max_size(n, 1));
	(void)align;

	struct chunk *c = waiting_pop(&b->waiting, need);
	if (c == NULL) {
		c = find(b, need);
		if (c == NULL)
			return NULL;
		bins_take_out(b, c);                                    /* remove */
		if (split_too_big(&b->heap, c, need))
			bins_insert(b, chunk_split(&b->heap, c, need)); /* split, insert tail */
		chunk_set_live(&b->heap, c);                       /* set status */
	}
	footer_guard(&b->heap, c);
	return chunk_payload(&b->heap, c); /* use front */
}

void bins_free(void *st, void *p)
{
	struct bins *const b = st;
	struct chunk *const c = chunk_to_free(&b->heap, p);

	if (waiting_takes(&b->waiting, chunk_size(c))) {
		waiting_push(&b->waiting, c);
		if (waiting_full(&b->waiting))
			bins_merge_waiting(b);
	} else {
		give(b, c);
	}
}

/* In place: take the chunk behind c if it is free and large enough, give back what is too much. */
void *bins_resize(void *st, void *p, size_t n)
{
	struct bins *const b = st;
	struct chunk_heap *const h = &b->heap;
	struct chunk *const c = chunk_of(h, p), *const next = chunk_after(c);
	const size_t need = chunk_need(h, n);

	footer_verify(h, c);
	if (chunk_size(c) < need) {
		if (next == h->last && !grow(b, need - chunk_size(c)))
			return NULL;
		if (chunk_live(next) || chunk_size(c) + chunk_size(next) < need)
			return NULL;
		bins_take_out(b, next);
		chunk_coalesce(h, c, next);
		chunk_set_live(h, c);
	}
	if (split_too_big(h, c, need))
		give(b, chunk_split(h, c, need));
	footer_guard(h, c);
	return p;
}

size_t bins_usable(void *st, const void *p)
{
	const struct bins *const b = st;
	return chunk_usable(&b->heap, chunk_of(&b->heap, p));
}

static int32_t bin_for_walk(const void *arg, size_t size)
{
	return (int32_t)bin_of(arg, size);
}

int bins_walk_heap(const struct bins *b, dmm_visit *visit, void *arg)
{
	return chunk_walk(&b->heap, bin_for_walk, b, visit, arg);
}

int bins_walk_table(const struct bins *b, dmm_visit *visit, void *arg)
{
	return piece(visit, arg, b->bin, BINS * sizeof *b->bin, DMM_META, "bins", -1);
}

int bins_walk(void *st, dmm_visit *visit, void *arg)
{
	const struct bins *const b = st;
	const bool table_first = (void *)b->bin < (void *)b->heap.first;
	int r = table_first ? bins_walk_table(b, visit, arg) : 0;

	if (r == 0)
		r = bins_walk_heap(b, visit, arg);
	return r != 0 || table_first ? r : bins_walk_table(b, visit, arg);
}

static bool check_bin(const struct bins *b, size_t i, size_t *listed, struct dmm_fault *why)
{
	struct chunk *const head = b->bin[i];
	const bool mapped = (b->map[i / 64] >> i % 64 & 1) != 0;

	if (mapped != (head != NULL))
		return fault(why, "B2 map", &b->bin[i], mapped, head != NULL);
	if (!fit_check(&b->heap, head, listed, why))
		return false;
	for (const struct chunk *c = head; c != NULL; c = fit_next(head, c))
		if (bin_of(b, chunk_size(c)) != i)
			return fault(why, "B1 bin", c, i, bin_of(b, chunk_size(c)));
	return true;
}

bool bins_check(void *st, struct dmm_fault *why)
{
	const struct bins *const b = st;
	size_t listed = 0;

	for (size_t i = 0; i < BINS; i++)
		if (!check_bin(b, i, &listed, why))
			return false;
	return chunk_check(&b->heap, listed, b->waiting.count, why);
}

void *bins_next_free(void *st, int32_t bin, const void *after)
{
	const struct bins *const b = st;
	const struct chunk *const c = after != NULL ? chunk_of(&b->heap, after) : NULL;
	struct chunk *const next = bin >= 0 && bin < BINS ? fit_next(b->bin[bin], c) : NULL;
	return next != NULL ? chunk_payload(&b->heap, next) : NULL;
}

const struct dmm_system system_bins = {
    .abi = DMM_SYSTEM_ABI,
    .name = "bins",
    .doc = "an array of doubly linked lists by size: malloc is O(1) for small chunks",
    .traits = DMM_FREES | DMM_COALESCES | DMM_INBAND | DMM_USES_BRK | DMM_SEES_DOUBLE_FREE |
        DMM_SEES_FOREIGN,
    .options = DMM_OPT_FIT | DMM_OPT_SPLIT_MIN | DMM_OPT_COALESCE | DMM_OPT_FOOTER | DMM_OPT_REUSE |
        DMM_OPT_BIN_SPACING | DMM_OPT_GROW_MIN,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct bins),
    .defaults = {.grow_min = GROW_MIN},
    .open = bins_open,
    .close = bins_close,
    .alloc = bins_alloc,
    .free = bins_free,
    .resize = bins_resize,
    .usable = bins_usable,
    .walk = bins_walk,
    .check = bins_check,
    .next_free = bins_next_free,
};
