/* gnu.c - DMM system 7: for small chunks the heap and its bins, for large chunks VM directly.
 *
 *   heap section, by brk                                              mappings, by mmap
 *    | in use | free | in use | waiting | in use | free: the top |     | in use, large |
 *                                                         break -^     +---------------+
 *   reuse:footer, 8 bytes a live object (chunk.h)                      | in use, large |
 *          +---------------+                                           +---------------+
 *  chunk-> | size     MWPL |
 *  mem --> +---------------+---------------+
 *          | payload, up to the next header|
 *
 *   malloc(n)   n >= mmap_threshold, and no free chunk is as large: a mapping of its own
 *               (mapping.h); else bins (bins.c)
 *   free(p)     a mapping is unmapped; else bins, and what is free at the heap's top beyond
 *               trim_threshold goes back by a lower break
 *
 * Invariants, checked under these names: C1 aligned, C2 footer, C3 mirror, C4 merged, C5 listed,
 * C6 waiting (chunk.h), F1 linked (policy/fit.h), B1 bin, B2 map (bins.c), V1 aligned, V2 linked,
 * V3 summed, V4 mirrored (mapping.h).
 *
 * As in glibc: the threshold follows what is freed (mmap_threshold:adaptive): who frees a large
 * chunk will want it again, and the heap then serves it without system calls; freed small chunks
 * wait for a malloc of their size (coalesce:deferred); bins are geometric.
 * Sees a double free and a foreign pointer as bins does for small chunks and vm for large ones, and
 * cannot see what they cannot.
 */
#include "system/systems.h"

#include "system/bins.h"
#include "system/mapping.h"
#include "system/policy/footer.h"

enum {
	GROW_MIN = 128 << 10,      /* bytes, the least growth, as glibc's M_TOP_PAD */
	MMAP_THRESHOLD = 128 << 10, /* bytes, at first */
	MMAP_THRESHOLD_MAX = 32 << 20, /* bytes; adaptive never goes beyond */
	TRIM_THRESHOLD = 128 << 10,    /* bytes */
	WAITING_MAX = 16 << 10,        /* chunks; all are merged before the heap grows */
};

struct gnu {
	struct bins bins;
	struct mappings large;
	size_t mmap_threshold, trim_threshold; /* bytes */
	bool adaptive;
};

static int gnu_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct gnu *const g = st;
	mappings_open(&g->large, os);
	g->mmap_threshold = params->mmap_threshold;
	g->adaptive = params->mmap_adaptive;
	g->trim_threshold = params->trim_threshold;
	return bins_open(&g->bins, params, os);
}

static void gnu_close(void *st)
{
	struct gnu *const g = st;
	mappings_close(&g->large);
	bins_close(&g->bins);
}

static void *alloc_large(struct gnu *g, size_t n)
{
	struct mapping *const m = mapping_new(&g->large, n);
	return m != NULL ? mapping_payload(m) : NULL;
}

/* Free room of the heap is used first, as in glibc: a mapping in addition would take more memory.
 * Each way replaces the other if it fails: the break may be unable to grow, mappings may run
  * out. */
static void *gnu_alloc(void *st, size_t n, size_t align)
{
	struct gnu *const g = st;

	if (n < g->mmap_threshold || bins_have_room(&g->bins, n)) {
		void *const p = bins_alloc(&g->bins, n, align);
		return p != NULL ? p : alloc_large(g, n);
	}
	void *const p = alloc_large(g, n);
	return p != NULL ? p : bins_alloc(&g->bins, n, align);
}

static bool in_heap(const struct gnu *g, const void *p)
{
	const char *const first = (char *)g->bins.heap.first,
	    *const last = (char *)g->bins.heap.last;
	return (const char *)p > first && (const char *)p <= last;
}

/* The free bytes at the heap's top are the chunk before the last header. */
static size_t trim_top(struct gnu *g, size_t from, size_t keep)
{
	struct chunk_heap *const h = &g->bins.heap;

	if (h->last == NULL)
		return 0;
	footer_verify_before(h, h->last);
	if (!chunk_before_free(h, h->last))
		return 0;
	struct chunk *const top = chunk_before(h, h->last);
	if (chunk_size(top) < from)
		return 0;
	bins_take_out(&g->bins, top);
	const size_t back = chunk_trim(h, top, keep);
	bins_insert(&g->bins, top);
	return back;
}

static void free_large(struct gnu *g, void *p)
{
	struct mapping *const m = mapping_to_free(&g->large, p);

	if (g->adaptive && m->size > g->mmap_threshold && m->size <= MMAP_THRESHOLD_MAX) {
		g->mmap_threshold = m->size;
		g->trim_threshold = max_size(g->trim_threshold, 2 * m->size);
	}
	mapping_delete(&g->large, m);
}

static void gnu_free(void *st, void *p)
{
	struct gnu *const g = st;

	if (!in_heap(g, p)) {
		free_large(g, p);
		return;
	}
	bins_free(&g->bins, p);
	trim_top(g, g->trim_threshold, g->bins.heap.grow_min);
}

static void *gnu_resize(void *st, void *p, size_t n)
{
	struct gnu *const g = st;

	if (in_heap(g, p)) {
		void *const q = bins_resize(&g->bins, p, n);
		if (q != NULL)
			trim_top(g, g->trim_threshold, g->bins.heap.grow_min);
		return q;
	}
	if (n < g->mmap_threshold / 2)
		return NULL; /* small by now: a chunk of the heap will do */
	struct mapping *const m = mapping_resize(&g->large, mapping_of(p), n);
	return m != NULL ? mapping_payload(m) : NULL;
}

static size_t gnu_usable(void *st, const void *p)
{
	struct gnu *const g = st;
	return in_heap(g, p) ? bins_usable(&g->bins, p) : mapping_usable(mapping_of(p));
}

/* Two stretches, the table of bins and the heap section, and mappings below, between and above. */
static int gnu_walk(void *st, dmm_visit *visit, void *arg)
{
	struct gnu *const g = st;
	const uintptr_t table = (uintptr_t)g->bins.bin, heap = (uintptr_t)g->bins.heap.first;
	const uintptr_t low = table < heap ? table : heap, high = table < heap ? heap : table;
	int r = mappings_walk(&g->large, 0, low, visit, arg);

	if (r == 0)
		r = table < heap ? bins_walk_table(&g->bins, visit, arg)
		                 : bins_walk_heap(&g->bins, visit, arg);
	if (r == 0)
		r = mappings_walk(&g->large, low, high, visit, arg);
	if (r == 0)
		r = table < heap ? bins_walk_heap(&g->bins, visit, arg)
		                 : bins_walk_table(&g->bins, visit, arg);
	return r != 0 ? r : mappings_walk(&g->large, high, UINTPTR_MAX, visit, arg);
}

static bool gnu_check(void *st, struct dmm_fault *why)
{
	struct gnu *const g = st;
	return bins_check(&g->bins, why) && mappings_check(&g->large, why);
}

static size_t gnu_trim(void *st, size_t keep)
{
	struct gnu *const g = st;
	bins_merge_waiting(&g->bins);
	return trim_top(g, 0, keep) + mappings_trim(&g->large);
}

static void *gnu_next_free(void *st, int32_t bin, const void *after)
{
	struct gnu *const g = st;
	return bins_next_free(&g->bins, bin, after);
}

const struct dmm_system system_gnu = {
    .abi = DMM_SYSTEM_ABI,
    .name = "gnu",
    .doc = "bins on the heap for small chunks, mappings for large ones, 8 bytes an object",
    .traits = DMM_FREES | DMM_COALESCES | DMM_INBAND | DMM_USES_BRK | DMM_USES_MAP | DMM_RETURNS |
        DMM_SEES_DOUBLE_FREE | DMM_SEES_FOREIGN,
    .options = DMM_OPT_FIT | DMM_OPT_SPLIT_MIN | DMM_OPT_COALESCE | DMM_OPT_FOOTER | DMM_OPT_REUSE |
        DMM_OPT_BIN_SPACING | DMM_OPT_MMAP_THRESHOLD | DMM_OPT_TRIM_THRESHOLD | DMM_OPT_GROW_MIN |
        DMM_OPT_MIN_CHUNK | DMM_OPT_RUNS,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct gnu),
    .defaults = {.coalesce = DMM_COALESCE_DEFERRED, .deferred_max = WAITING_MAX,
        .reuse = DMM_REUSE_FOOTER, .bin_spacing = DMM_SPACING_GEOMETRIC,
        .mmap_threshold = MMAP_THRESHOLD, .mmap_adaptive = true,
        .trim_threshold = TRIM_THRESHOLD, .grow_min = GROW_MIN},
    .open = gnu_open,
    .close = gnu_close,
    .alloc = gnu_alloc,
    .free = gnu_free,
    .resize = gnu_resize,
    .usable = gnu_usable,
    .walk = gnu_walk,
    .check = gnu_check,
    .trim = gnu_trim,
    .next_free = gnu_next_free,
};
