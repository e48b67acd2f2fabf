/* bench_tags.c - experiments: the doubly linked list and the bins, with boundary tags. */
#include "base/bits.h"
#include "bench_lecture.h"
#include "picture.h"

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

	find_text(f, "mean %.0f instructions in a steady state of %d objects, %.0f when only the last of "
	             "%zu free chunks fits",
	    mean, LIVE, worst, s.holes);
	find_figure(f, "mean", mean);
	find_figure(f, "worst", worst);
	find_verdict(f, mean < worst / 4, "the mean is not below a quarter of the worst case");
}

static void space(struct finding *f, const char *name)
{
	const struct dmm_system *const sys = lecture_system(name);
	const struct churn c = {.ops = 32768, .live = 2000, .size_max = 256};
	const struct churned m = churn(sys, NULL, &c);
	const struct growth g = churn_growth(sys);

	find_growth(f, "footprint by operations, live constant", &g, ORDER_CONSTANT);
	find_text(f, "footprint %.2f of what is live (%.0f %% headers and footers, %.0f %% free)",
	    m.footprint_bytes / m.live_bytes, 100 * m.overhead_bytes / m.footprint_bytes,
	    100 * m.free_bytes / m.footprint_bytes);
	find_figure(f, "footprint_by_live", m.footprint_bytes / m.live_bytes);
	find_verdict(f, m.overhead_bytes > 0, "there is no overhead");
}

static void dlist_space(struct finding *f)
{
	space(f, "dlist");
}

static void bins_space(struct finding *f)
{
	space(f, "bins");
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
	find_text(f, "mean in a steady state of 1000 objects %.0f instructions, list %.0f", bins, list);
	find_figure(f, "steady_bins", bins);
	find_figure(f, "steady_list", list);
	find_verdict(f, bins < list, "already in a small heap list is as fast");
}

/* Best fit against first fit on the same requests: footprint, and free memory in how many pieces. */
static void bins_best_fit(struct finding *f)
{
	const struct churn c = {.ops = 50000, .live = 2000, .size_max = 512};
	const struct churned first = churn(lecture_system("dlist"), NULL, &c);
	const struct churned best = churn(lecture_system("bins"), NULL, &c);

	find_text(f, "free within the heap: dlist (first fit) %.1f %%, bins (best fit) %.1f %% of the footprint",
	    100 * first.free_bytes / first.footprint_bytes, 100 * best.free_bytes / best.footprint_bytes);
	find_figure(f, "dlist_free_percent", 100 * first.free_bytes / first.footprint_bytes);
	find_figure(f, "bins_free_percent", 100 * best.free_bytes / best.footprint_bytes);
	find_verdict(f, best.peak_bytes <= first.peak_bytes, "best fit needs more memory here");
}

const struct experiment lecture_tags[] = {
    {"dlist-insert", "Doubly-Linked List Impl Performance",
        "free(), insert chunk into free list: list slow, dlist fast: insert at front", dlist_insert},
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
