/* dlist.c - DMM system 4: a doubly linked, unordered free list, and boundary tags on every chunk.
 *
 *          +---------------+---------------+
 *  chunk-> | size      | L | next          |  header: status bit, chunk size and, if free, next
 *  mem --> +---------------+---------------+
 *          | payload ...                   |  used by the client
 *          +---------------+---------------+
 *          | size          | prev          |  footer: the size again and, if free, prev
 *          +---------------+---------------+
 *
 *   free list ---> chunk <---> chunk <---> chunk    in no order, through next and prev
 *
 * Invariants, checked under these names: C1 aligned, C2 footer, C3 mirror, C4 merged, C5 listed,
 * C6 waiting (chunk.h), F1 linked (policy/fit.h).
 *
 * free is O(1): insert at front, find the next chunk by our size, the previous one by its footer.
 * malloc is O(n) in the length of the list: "long free list with big chunks at end".
 * Beside the slide: the list closes to a ring, so that no chunk has a special case; the appendix's
 * techniques are parameters (fit, split_min, coalesce, footer, reuse), by default as taught.
 * Sees a double free and a foreign pointer by the status bit and the size in the header.
 * Cannot see: a double free after the memory went to another caller, a pointer into the middle of a
 * payload whose bytes look like a header, an overrun (unless footer:check).
 */
#include "system/systems.h"

#include "system/policy/coalesce.h"
#include "system/policy/fit.h"
#include "system/policy/footer.h"
#include "system/policy/split.h"

enum { GROW_MIN = 64 << 10 }; /* bytes, the least growth: a brk for sixteen pages */

struct dlist {
	struct chunk_heap heap;
	struct chunk *list; /* the free list's front */
	enum dmm_fit fit;
	struct waiting waiting;
};

static int dlist_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct dlist *const d = st;
	d->fit = params->fit;
	waiting_open(&d->waiting, params);
	return chunk_open(&d->heap, params, os);
}

static void dlist_close(void *st)
{
	struct dlist *const d = st;
	chunk_close(&d->heap);
}

static void insert(struct dlist *d, struct chunk *c)
{
	fit_insert(&d->heap, &d->list, c, d->fit);
}

static void take_out(struct dlist *d, struct chunk *c)
{
	fit_remove(&d->heap, &d->list, c);
}

/* c and next, neighbours in memory and both free: remove both, coalesce, insert. */
static struct chunk *merge(struct dlist *d, struct chunk *c, struct chunk *next)
{
	take_out(d, c);
	take_out(d, next);
	c = chunk_coalesce(&d->heap, c, next);
	insert(d, c);
	return c;
}

/* The status of the next chunk stands where our size ends; the previous chunk is found through its
 * footer, and its status stands in its header. */
static void merge_with_neighbours(struct dlist *d, struct chunk *c)
{
	struct chunk *const next = chunk_after(c);

	if (!chunk_live(next))
		c = merge(d, c, next);
	if (chunk_before_free(&d->heap, c))
		merge(d, chunk_before(&d->heap, c), c);
}

/* Set status, insert at front, next free? previous free? */
static void give(struct dlist *d, struct chunk *c)
{
	chunk_set_free(&d->heap, c);
	insert(d, c);
	merge_with_neighbours(d, c);
}

/* coalesce:deferred: merge the waiting chunks now. False: none waited. */
static bool merge_waiting(struct dlist *d)
{
	size_t from = 0;
	struct chunk *c;

	if (d->waiting.count == 0)
		return false;
	while ((c = waiting_any(&d->waiting, &from)) != NULL) {
		footer_verify_before(&d->heap, c);
		give(d, c);
	}
	return true;
}

/* Increase heap size, create new chunk, insert. */
static bool grow(struct dlist *d, size_t need)
{
	struct chunk *const c = chunk_grow(&d->heap, max_size(need, d->heap.grow_min));

	if (c == NULL)
		return false;
	footer_verify_before(&d->heap, c);
	insert(d, c);
	merge_with_neighbours(d, c);
	return true;
}

/* A free chunk that is big enough, still in the list. */
static struct chunk *find(struct dlist *d, size_t need)
{
	struct chunk *c = fit_search(&d->list, need, d->fit);

	if (c == NULL && merge_waiting(d))
		c = fit_search(&d->list, need, d->fit);
	if (c == NULL && grow(d, chunk_lacks(&d->heap, need)))
		c = fit_search(&d->list, need, d->fit); /* the new chunk is then treated as found */
	if (c == NULL && grow(d, need)) /* the break was moved: it is elsewhere */
		c = fit_search(&d->list, need, d->fit);
	return c;
}

static void *dlist_alloc(void *st, size_t n, size_t align)
{
	struct dlist *const d = st;
	const size_t need = chunk_need(&d->heap, max_size(n, 1));
	(void)align;

	struct chunk *c = waiting_pop(&d->waiting, need);
	if (c == NULL) {
		c = find(d, need);
		if (c == NULL)
			return NULL;
		take_out(d, c);                                    /* remove */
		if (split_too_big(&d->heap, c, need))
			insert(d, chunk_split(&d->heap, c, need)); /* split, insert tail */
		chunk_set_live(&d->heap, c);                       /* set status */
	}
	footer_guard(&d->heap, c);
	return chunk_payload(&d->heap, c); /* use front */
}

static void dlist_free(void *st, void *p)
{
	struct dlist *const d = st;
	struct chunk *const c = chunk_to_free(&d->heap, p);

	if (waiting_takes(&d->waiting, chunk_size(c))) {
		waiting_push(&d->waiting, c);
		if (waiting_full(&d->waiting))
			merge_waiting(d);
	} else {
		give(d, c);
	}
}

/* Merge c with the free chunk after it into one live chunk; at the top of the heap, grow the heap
 * by the missing bytes. False: both together are not large enough. */
static bool extend(struct dlist *d, struct chunk *c, size_t need)
{
	struct chunk_heap *const h = &d->heap;
	struct chunk *const next = chunk_after(c);
	size_t have = chunk_size(c) + (chunk_live(next) ? 0 : chunk_size(next));

	if (have < need) {
		const bool at_top =
		    next == h->last || (!chunk_live(next) && chunk_after(next) == h->last);
		if (!at_top || !grow(d, need - have))
			return false;
		have = chunk_size(c) + (chunk_live(next) ? 0 : chunk_size(next));
	}
	if (have < need) /* other code moved the break: the new chunk is elsewhere */
		return false;
	take_out(d, next);
	chunk_coalesce(h, c, next);
	chunk_set_live(h, c);
	return true;
}

/* In place: take the chunk after c if it is free and large enough, and give the surplus back. */
static void *dlist_resize(void *st, void *p, size_t n)
{
	struct dlist *const d = st;
	struct chunk_heap *const h = &d->heap;
	struct chunk *const c = chunk_of(h, p);
	const size_t need = chunk_need(h, n);

	footer_verify(h, c);
	if (chunk_size(c) < need && !extend(d, c, need))
		return NULL;
	if (split_too_big(h, c, need))
		give(d, chunk_split(h, c, need));
	footer_guard(h, c);
	return p;
}

static size_t dlist_usable(void *st, const void *p)
{
	const struct dlist *const d = st;
	return chunk_usable(&d->heap, chunk_of(&d->heap, p));
}

static int32_t the_only_list(const void *arg, const struct chunk *c)
{
	(void)arg, (void)c;
	return 0;
}

static int dlist_walk(void *st, dmm_visit *visit, void *arg)
{
	const struct dlist *const d = st;
	return chunk_walk(&d->heap, the_only_list, NULL, NULL, visit, arg);
}

static bool dlist_check(void *st, struct dmm_fault *why)
{
	const struct dlist *const d = st;
	size_t listed = 0;

	return fit_check(&d->heap, d->list, &listed, why) &&
	    chunk_check(&d->heap, listed, d->waiting.count, why);
}

static void *dlist_next_free(void *st, int32_t bin, const void *after)
{
	const struct dlist *const d = st;
	const struct chunk *const c = after != NULL ? chunk_of(&d->heap, after) : NULL;
	struct chunk *const next = bin == 0 ? fit_next(&d->heap, d->list, c) : NULL;
	return next != NULL ? chunk_payload(&d->heap, next) : NULL;
}

const struct dmm_system system_dlist = {
    .abi = DMM_SYSTEM_ABI,
    .name = "dlist",
    .doc = "one doubly linked free list, boundary tags on every chunk: free is O(1)",
    .traits = DMM_FREES | DMM_COALESCES | DMM_INBAND | DMM_USES_BRK | DMM_SEES_DOUBLE_FREE |
        DMM_SEES_FOREIGN,
    .options = DMM_OPT_FIT | DMM_OPT_SPLIT_MIN | DMM_OPT_COALESCE | DMM_OPT_FOOTER | DMM_OPT_REUSE |
        DMM_OPT_GROW_MIN,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct dlist),
    .defaults = {.grow_min = GROW_MIN},
    .open = dlist_open,
    .close = dlist_close,
    .alloc = dlist_alloc,
    .free = dlist_free,
    .resize = dlist_resize,
    .usable = dlist_usable,
    .walk = dlist_walk,
    .check = dlist_check,
    .next_free = dlist_next_free,
};
