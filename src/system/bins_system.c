/* bins_system.c - bins as a malloc: payloads for chunks, runs for tiny objects, walk and check. */
#include <errno.h>

#include "system/bins.h"
#include "system/policy/fit.h"
#include "system/policy/footer.h"
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
	runs_open(&b->runs, params->runs);
	b->table_len = BINS * sizeof *b->bin;
	b->bin = os->map(os->ctx, b->table_len, os->page);
	return b->bin != NULL ? 0 : -ENOMEM;
}

void bins_close(void *st)
{
	struct bins *const b = st;
	const struct dmm_os *const os = b->heap.section.os;
	chunk_close(&b->heap);
	os->unmap(os->ctx, b->bin, b->table_len);
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* The map of runs, made longer, moves to the end of the bins: one mapping holds both. */
static bool lengthen_map(struct bins *b, size_t bits)
{
	const struct dmm_os *const os = b->heap.section.os;
	const size_t bins_len = BINS * sizeof *b->bin;
	const size_t len = bins_len + round_up(max_size(2 * b->runs.map_bits, bits) / 8 + 8,
	    os->page);
	void *const table = os->remap(os->ctx, b->bin, b->table_len, len);

	if (table == NULL)
		return false;
	b->bin = table;
	b->table_len = len;
	runs_move_map(&b->runs, ptr_add(table, bins_len), (len - bins_len) * 8);
	return true;
}

/* One more run of the class of n bytes.  False: no memory. */
static bool begin_run(struct bins *b, size_t n)
{
	struct chunk *const c = bins_take_at(b, RUN_LEN, RUN_LEN);
	if (c == NULL)
		return false;
	const size_t bits = runs_bit(&b->heap, chunk_payload(&b->heap, c)) + 1;

	if (bits > b->runs.map_bits && !lengthen_map(b, bits)) {
		bins_give(b, c);
		return false;
	}
	runs_begin(&b->runs, &b->heap, c, n);
	return true;
}

/* NULL: n bytes want a chunk of their own, or there is no memory for a run. */
static void *alloc_in_run(struct bins *b, size_t n)
{
	if (!runs_want(&b->runs, n, chunk_need(&b->heap, n)))
		return NULL;
	if (!runs_have_room(&b->runs, n) && (!runs_pay(&b->runs, n) || !begin_run(b, n)))
		return NULL;
	return runs_take(&b->runs, n);
}

/* ---- payloads -------------------------------------------------------------------------------- */

void *bins_alloc(void *st, size_t n, size_t align)
{
	struct bins *const b = st;
	(void)align;

	n = max_size(n, 1);
	void *const slot = alloc_in_run(b, n);
	if (slot != NULL)
		return slot;
	struct chunk *const c = bins_take(b, chunk_need(&b->heap, n));
	return c != NULL ? chunk_payload(&b->heap, c) : NULL;
}

void bins_free(void *st, void *p)
{
	struct bins *const b = st;

	if (!runs_hold(&b->runs, &b->heap, p)) {
		bins_put(b, chunk_to_free(&b->heap, p));
		return;
	}
	struct chunk *const emptied = runs_give(&b->runs, &b->heap, p);
	if (emptied != NULL) {
		footer_verify(&b->heap, emptied);
		bins_give(b, emptied);
	}
}

void *bins_resize(void *st, void *p, size_t n)
{
	struct bins *const b = st;

	if (runs_hold(&b->runs, &b->heap, p))
		return n <= runs_usable(p) && n > runs_usable(p) / 2 ? p : NULL;
	struct chunk *const c = bins_resize_chunk(b, chunk_of(&b->heap, p),
	    chunk_need(&b->heap, n));
	return c != NULL ? chunk_payload(&b->heap, c) : NULL;
}

size_t bins_usable(void *st, const void *p)
{
	const struct bins *const b = st;

	if (runs_hold(&b->runs, &b->heap, p))
		return runs_usable(p);
	return chunk_usable(&b->heap, chunk_of(&b->heap, p));
}

/* ---- looking inside -------------------------------------------------------------------------- */

static int32_t bin_for_walk(const void *arg, const struct chunk *c)
{
	const struct bins *const b = arg;
	return c == b->top ? MAX_BIN : (int32_t)bins_of(b, chunk_size(c));
}

static bool inside(const void *arg, const struct chunk *c, dmm_visit *visit, void *visit_arg,
    int *r)
{
	const struct bins *const b = arg;
	return runs_walk(&b->runs, &b->heap, c, visit, visit_arg, r);
}

int bins_walk_heap(const struct bins *b, dmm_visit *visit, void *arg)
{
	return chunk_walk(&b->heap, bin_for_walk, inside, b, visit, arg);
}

int bins_walk_table(const struct bins *b, dmm_visit *visit, void *arg)
{
	const size_t bins_len = BINS * sizeof *b->bin;
	const int r = piece(visit, arg, b->bin, bins_len, DMM_META, "bins", -1);
	return r != 0 ? r : piece(visit, arg, ptr_add(b->bin, bins_len), b->table_len - bins_len,
	    DMM_META,
	    "map of runs", -1);
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
	for (const struct chunk *c = head; c != NULL; c = fit_next(&b->heap, head, c))
		if (bins_of(b, chunk_size(c)) != i)
			return fault(why, "B1 bin", c, i, bins_of(b, chunk_size(c)));
	return true;
}

/* Behind the final bin: the chunk before the last header, if it is free. */
static bool check_top(const struct bins *b, size_t *listed, struct dmm_fault *why)
{
	const struct chunk_heap *const h = &b->heap;

	if (b->top != NULL && !chunk_check_listed(h, b->top, why)) {
		why->rule = "B3 top";
		return false;
	}
	if (h->last != NULL && (b->top != NULL ? chunk_after(b->top) != h->last
	    : chunk_before_free(h, h->last)))
		return fault(why, "B3 top", h->last, (uintptr_t)b->top,
		    (uintptr_t)chunk_before(h, h->last));
	*listed += b->top != NULL;
	return true;
}

bool bins_check(void *st, struct dmm_fault *why)
{
	const struct bins *const b = st;
	size_t listed = 0;

	for (size_t i = 0; i < BINS; i++)
		if (!check_bin(b, i, &listed, why))
			return false;
	return check_top(b, &listed, why) && chunk_check(&b->heap, listed, b->waiting.count, why) &&
	    runs_check(&b->runs, &b->heap, why);
}

void *bins_next_free(void *st, int32_t bin, const void *after)
{
	const struct bins *const b = st;

	if (bin >= BINS)
		return runs_next_free(&b->runs, (size_t)bin - BINS, after);
	const struct chunk *const c = after != NULL ? chunk_of(&b->heap, after) : NULL;
	struct chunk *next = bin >= 0 && (c == NULL || c != b->top)
	    ? fit_next(&b->heap, b->bin[bin], c) : NULL;
	if (next == NULL && bin == MAX_BIN && c != b->top)
		next = b->top;
	return next != NULL ? chunk_payload(&b->heap, next) : NULL;
}

const struct dmm_system system_bins = {
    .abi = DMM_SYSTEM_ABI,
    .name = "bins",
    .doc = "an array of doubly linked lists by size: malloc is O(1) for small chunks",
    .traits = DMM_FREES | DMM_COALESCES | DMM_INBAND | DMM_USES_BRK | DMM_SEES_DOUBLE_FREE |
        DMM_SEES_FOREIGN,
    .options = DMM_OPT_FIT | DMM_OPT_SPLIT_MIN | DMM_OPT_COALESCE | DMM_OPT_FOOTER | DMM_OPT_REUSE |
        DMM_OPT_BIN_SPACING | DMM_OPT_GROW_MIN | DMM_OPT_MIN_CHUNK | DMM_OPT_RUNS,
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
