/* tags.c - experiments: the doubly linked list and the bins, with boundary tags. */
#include "base/bits.h"
#include "bench/lecture.h"
#include "draw/demo.h"

/* Which end of a chunk that is too big is handed out; the demo's fifth malloc splits one. */
static void split_end(struct finding *f)
{
	static const char *const names[] = {"list", "dlist", "bins"};

	for (int i = 0; i < 3; i++) {
		struct demo_stage stage;
		bool split = false, tail_end = false;
		if (demo_open(&stage, &demo_examples[0], lecture_system(names[i]),
		        NULL) != 0)
			lab_die(EXIT_OURS, "cannot open a heap of %s", names[i]);
		while (stage.done < stage.demo->step_count) {
			demo_advance(&stage);
			split |= stage.told.split && stage.told.reused;
			tail_end |= stage.told.split && stage.told.tail_end;
		}
		demo_close(&stage);
		find_text(f, "%s splits and hands out the %s", names[i],
		    tail_end ? "tail end" : "front");
		find_verdict(f, split && tail_end == (i == 0), "%s does not", names[i]);
	}
}

/* malloc(7100) when at most 7000 bytes are free next to the growing end of the heap. */
static struct tell grow_behind_free(const struct dmm_system *sys)
{
	struct dmm_params params = sys->defaults;
	struct picture before = {0}, after = {0};
	struct bench_heap b;

	params.grow_min = 8192;
	bench_heap_open(&b, sys, &params);
	void *const p = bench_alloc(&b, 7000); /* at the tail end of the heap in list */
	bench_alloc(&b, 500);
	bench_free(&b, p);
	picture_take(&before, &b.heap);
	const struct tell_call call = {.is_malloc = true, .n = 7100, .p = bench_alloc(&b, 7100)};
	picture_take(&after, &b.heap);
	const struct tell t = tell_compare(&call, &before, &after);
	picture_drop(&before);
	picture_drop(&after);
	bench_heap_close(&b);
	return t;
}

/* None found: the new chunk joins a free one at the end of the heap before it is used. */
static void grow_merge(struct finding *f)
{
	static const char *const names[] = {"list", "dlist", "bins"};

	for (int i = 0; i < 3; i++) {
		const struct tell t = grow_behind_free(lecture_system(names[i]));
		find_text(f, "%s grows by %zu bytes%s", names[i], t.grew,
		    t.merged_growth ? " and coalesces" : "");
		find_verdict(f, t.grew != 0 && t.merged_growth, "%s does not coalesce", names[i]);
	}
}

/* One sub-algorithm of free, in both designs: the slide says slow and fast. */
static void slow_and_fast(struct finding *f, bool free_prev, bool free_next)
{
	static const char *const names[] = {"list", "dlist"};

	for (int i = 0; i < 2; i++) {
		struct scene s = scene_of(lecture_system(names[i]));
		char what[32];
		s.free_prev = free_prev;
		s.free_next = free_next;
		const struct growth g = scene_growth(&s);
		snprintf(what, sizeof what, "%s free", names[i]);
		find_growth(f, what, &g, i == 0 ? ORDER_LINEAR : ORDER_CONSTANT);
	}
}

static void dlist_insert(struct finding *f)
{
	slow_and_fast(f, false, false);
}

static void dlist_next(struct finding *f)
{
	slow_and_fast(f, false, true);
}

static void dlist_prev(struct finding *f)
{
	slow_and_fast(f, true, false);
}

static void dlist_remove(struct finding *f)
{
	slow_and_fast(f, true, true);
}

static void dlist_free(struct finding *f)
{
	for (int both = 0; both < 2; both++) {
		struct scene s = scene_of(lecture_system("dlist"));
		s.free_prev = s.free_next = both;
		const struct growth g = scene_growth(&s);
		find_growth(f, both ? "coalescing three" : "no free neighbour", &g, ORDER_CONSTANT);
	}
}

static void dlist_malloc(struct finding *f)
{
	struct scene s = scene_of(lecture_system("dlist"));
	s.target_free = true;
	s.ask = s.target_len;
	const struct growth g = scene_growth(&s);
	find_growth(f, "long free list with the big chunk at its end", &g, ORDER_LINEAR);
}

static void dlist_malloc_typical(struct finding *f)
{
	enum { LIVE = 1000 };
	const struct dmm_system *const sys = lecture_system("dlist");
	const double mean = churn_instructions(sys, LIVE, false);
	struct scene s = scene_of(sys);
	s.target_free = true;
	s.ask = s.target_len;
	s.holes = LIVE / 4;
	const double worst = scene_instructions(&s);

	find_text(f, "mean %.0f instructions in a steady state of %d objects, %.0f when only the "
	             "last of %zu free chunks fits",
	    mean, LIVE, worst, s.holes);
	find_figure(f, "mean", mean);
	find_figure(f, "worst", worst);
	find_verdict(f, mean < worst / 4, "the mean is not below a quarter of the worst case");
}

static void dlist_space(struct finding *f)
{
	lecture_space(f, "dlist", "headers and footers", false);
}

static void bins_space(struct finding *f)
{
	lecture_space(f, "bins", "headers and footers", false);
}

static void bins_malloc(struct finding *f)
{
	struct scene s = scene_of(lecture_system("bins"));
	s.target_free = true;
	s.ask = s.target_len;
	const struct growth exact = scene_growth(&s);
	find_growth(f, "from its own bin", &exact, ORDER_CONSTANT);
	s.ask = s.target_len - 512;
	const struct growth higher = scene_growth(&s);
	find_growth(f, "from a bin further on, split", &higher, ORDER_CONSTANT);
}

/* Chunks beyond MAX_BIN share the last bin. */
static void bins_final_bin(struct finding *f)
{
	struct scene s = scene_of(lecture_system("bins"));
	s.hole_len = 32 << 10;
	s.target_len = 64 << 10;
	s.target_free = true;
	s.ask = s.target_len;
	const struct growth g = scene_growth(&s);
	find_growth(f, "bins malloc of 64 KiB behind chunks of 32 KiB", &g, ORDER_LINEAR);
}

static void bins_free(struct finding *f)
{
	for (int both = 0; both < 2; both++) {
		struct scene s = scene_of(lecture_system("bins"));
		s.free_prev = s.free_next = both;
		const struct growth g = scene_growth(&s);
		find_growth(f, both ? "coalescing three" : "no free neighbour", &g, ORDER_CONSTANT);
	}
	const double list = churn_instructions(lecture_system("list"), 1000, true);
	const double bins = churn_instructions(lecture_system("bins"), 1000, true);
	find_text(f, "mean in a steady state of 1000 objects %.0f instructions, list %.0f", bins,
	    list);
	find_figure(f, "steady_bins", bins);
	find_figure(f, "steady_list", list);
	find_verdict(f, bins < list, "already in a small heap list is as fast");
}

/* Best fit against first fit on the same requests: footprint, and free memory in how many
 * pieces. */
static void bins_best_fit(struct finding *f)
{
	const struct churn c = {.ops = 50000, .live = 2000, .size_max = 512};
	const struct churned first = churn(lecture_system("dlist"), NULL, &c);
	const struct churned best = churn(lecture_system("bins"), NULL, &c);

	find_text(f, "free within the heap: dlist (first fit) %.1f %%, bins (best fit) %.1f %% of "
	    "the footprint",
	    100 * first.free_bytes / first.footprint_bytes,
	    100 * best.free_bytes / best.footprint_bytes);
	find_figure(f, "dlist_free_percent", 100 * first.free_bytes / first.footprint_bytes);
	find_figure(f, "bins_free_percent", 100 * best.free_bytes / best.footprint_bytes);
	find_verdict(f, best.peak_bytes <= first.peak_bytes, "best fit needs more memory here");
}

const struct experiment lecture_tags[] = {
    {"split-end", "List Impl: malloc(n) Example 2; Doubly-Linked List Impl",
        "Too big: list returns payload of tail end, dlist and bins use front", split_end},
    {"grow-coalesces", "List Impl: malloc(n) Example 3",
        "None found: new large chunk at end of list, coalesced with prev chunk in memory",
        grow_merge},
    {"dlist-insert", "Doubly-Linked List Impl Performance",
        "free(), insert chunk into free list: list slow, dlist fast: insert at front",
        dlist_insert},
    {"dlist-next", "Doubly-Linked List Impl Performance",
        "free(), is the next chunk in memory free: list slow, dlist fast", dlist_next},
    {"dlist-prev", "Doubly-Linked List Impl Performance",
        "free(), is the previous chunk in memory free: list slow, dlist fast", dlist_prev},
    {"dlist-remove", "Doubly-Linked List Impl Performance",
        "free(), remove chunk from free list: list slow, dlist fast", dlist_remove},
    {"dlist-space", "Doubly-Linked List Impl Performance",
        "Space: headers and footers are overhead; overall: good", dlist_space},
    {"dlist-free", "Doubly-Linked List Impl Performance", "free(): all steps are fast: good: O(1)",
        dlist_free},
    {"dlist-malloc", "Doubly-Linked List Impl Performance",
        "malloc(): bad: O(n): long free list with big chunks at end", dlist_malloc},
    {"dlist-malloc-typical", "Doubly-Linked List Impl Performance", "malloc(): often acceptable",
        dlist_malloc_typical},
    {"bins-best-fit", "Bins Impl Performance",
        "For small chunks best fit could decrease external fragmentation", bins_best_fit},
    {"bins-space", "Bins Impl Performance",
        "Headers, footers, bin array are overhead; overall: good", bins_space},
    {"bins-malloc", "Bins Impl Performance", "malloc(): binning limits list searching: good: O(1)",
        bins_malloc},
    {"bins-final-bin", "Bins Impl Performance",
        "malloc() of large chunks (final bin) degrades to that of list version", bins_final_bin},
    {"bins-free", "Bins Impl Performance", "free(): good: O(1) with a small constant", bins_free},
    {0},
};
