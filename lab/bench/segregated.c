/* segregated.c - experiments: segregated data and metadata, and the trade-off at the end. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/rng.h"
#include "bench/lecture.h"

enum { OBJECTS = 10000, OBJECT_LEN = 64 };

static void segmeta_overhead(struct finding *f)
{
	const struct dmm_system *const sys = lecture_system("segmeta");
	struct bytes bytes = {0};
	struct bench_heap b;

	bench_heap_open(&b, sys, NULL);
	for (int i = 0; i < 10 * OBJECTS; i++)
		bench_alloc(&b, OBJECT_LEN);
	heap_walk(&b.heap, bytes_sum, &bytes);
	bench_heap_close(&b);
	find_text(f, "%.0f bytes of header and footer; all metadata %.2f %% of %d objects of %d "
	    "bytes",
	    bytes.meta_between, 100 * bytes.meta / bytes.live, 10 * OBJECTS, OBJECT_LEN);
	find_figure(f, "metadata_percent", 100 * bytes.meta / bytes.live);
	find_verdict(f, bytes.meta_between == 0 && bytes.meta < 0.02 * bytes.live,
	    "there are headers, or "
	                                                                           "more than 2 "
	                                                                           "%% of "
	                                                                           "metadata");
}

/* ---- segregated data ------------------------------------------------------------------------- */

static size_t usable_of(struct bench_heap *b, size_t n)
{
	return b->sys->usable(b->heap.state, bench_alloc(b, n));
}

static void segdata_classes(struct finding *f)
{
	struct bench_heap b;

	bench_heap_open(&b, lecture_system("segdata"), NULL);
	const size_t of_32 = usable_of(&b, 32), of_5 = usable_of(&b, 5),
	    of_100 = usable_of(&b, 100);
	bench_heap_close(&b);
	find_text(f, "malloc(32) gives %zu, malloc(5) %zu, malloc(100) %zu", of_32, of_5, of_100);
	find_verdict(f, of_32 == 32 && of_5 == 32 && of_100 == 128, "they are not 32, 32 and 128");
}

static void segdata_no_overhead(struct finding *f)
{
	const double dlist = run_cost("dlist", DMM_COALESCE_NOW),
	    bins = run_cost("bins", DMM_COALESCE_NOW);
	const double segdata = run_cost("segdata", DMM_COALESCE_NOW);

	find_text(f, "instructions a malloc(100) and free: dlist %.0f, bins %.0f (both split and "
	             "coalesce), segdata %.0f",
	    dlist, bins, segdata);
	find_figure(f, "dlist", dlist);
	find_figure(f, "bins", bins);
	find_figure(f, "segdata", segdata);
	find_verdict(f, segdata < 0.7 * bins && segdata < 0.7 * dlist,
	    "segdata saves less than 30 %%");
}

static void segdata_internal(struct finding *f)
{
	enum { LARGEST = 1024 };
	double asked = 0, given = 0;
	struct bench_heap b;

	bench_heap_open(&b, lecture_system("segdata"), NULL);
	for (size_t n = 1; n <= LARGEST; n++) {
		asked += (double)n;
		given += (double)usable_of(&b, n);
	}
	bench_heap_close(&b);
	const double waste = 100 * (given - asked) / given;
	find_text(f, "%.0f %% of what is provided, over sizes 1 to %d", waste, LARGEST);
	find_figure(f, "waste_percent", waste);
	find_verdict(f, waste > 10, "it is only %.1f %%", waste);
}

static int largest_free_and_live(void *arg, const struct dmm_piece *piece)
{
	double *const bytes = arg;
	/* pages of no class yet can serve any size */
	if (piece->kind != DMM_FREE || piece->bin >= 0)
		bytes[piece->kind] += (double)piece->len;
	return 0;
}

static void segdata_one_object(struct finding *f)
{
	double bytes[4] = {0};
	struct bench_heap b;

	bench_heap_open(&b, lecture_system("segdata"), NULL);
	bench_alloc(&b, 32);
	heap_walk(&b.heap, largest_free_and_live, bytes);
	bench_heap_close(&b);
	const double other = bytes[DMM_FREE] + bytes[DMM_PAD];
	find_text(f, "after one malloc(32): %.0f bytes live, %.0f in the same page cannot serve "
	    "another size",
	    bytes[DMM_LIVE], other);
	find_figure(f, "live", bytes[DMM_LIVE]);
	find_figure(f, "wasted", other);
	find_verdict(f, bytes[DMM_LIVE] == 32 && other >= 4096 - 32 - 128,
	    "the rest of the page is not wasted");
}

/* ---- segregated metadata --------------------------------------------------------------------- */

static void segmeta_malloc(struct finding *f)
{
	struct scene s = scene_of(lecture_system("segmeta"));
	s.target_free = true;
	s.ask = s.target_len;
	const struct growth g = scene_growth(&s);
	find_growth(f, "segmeta malloc", &g, ORDER_CONSTANT);
}

static void segmeta_free(struct finding *f)
{
	const struct scene s = scene_of(lecture_system("segmeta"));
	const struct growth g = scene_growth(&s);
	find_growth(f, "segmeta free, by a hash table", &g, ORDER_CONSTANT);
}

/* A program writes 1 to 32 bytes beyond the end of an object: is the allocator's state still
 * whole? */
static bool survives(const struct dmm_system *sys, unsigned seed)
{
	enum { LIVE = 200 };
	const struct churn c = {.ops = 2000, .live = LIVE, .size_max = 200};
	void *slots[LIVE] = {0};
	size_t sizes[LIVE];
	struct rng rng = {seed};
	struct dmm_fault why;
	struct bench_heap b;

	bench_heap_open(&b, sys, NULL);
	churn_run(&b, &c, slots, sizes);
	const size_t victim = rng_below(&rng, LIVE);
	volatile char *const end = (char *)slots[victim] + b.sys->usable(b.heap.state,
	    slots[victim]);
	for (size_t i = 0, n = rng_below(&rng, 32) + 1; i < n; i++)
		end[i] = (char)0xa5;
	const bool whole = heap_check(&b.heap, &why);
	_exit(whole ? EXIT_FINE : EXIT_FAULT); /* closing a corrupted heap is not the question */
}

struct victim {
	const struct dmm_system *sys;
	unsigned seed;
};

static void corrupt(void *arg, void *result)
{
	const struct victim *const v = arg;
	(void)result;
	const int out = open("/dev/null", O_WRONLY);
	dup2(out, STDERR_FILENO);
	survives(v->sys, v->seed);
}

static double corrupted_percent(const char *name)
{
	enum { TRIES = 40 };
	unsigned corrupted = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		struct victim v = {lecture_system(name), i + 1};
		char nothing;
		corrupted += cell_run(corrupt, &v, &nothing, 1, 5) != CELL_FINE;
	}
	return 100.0 * corrupted / TRIES;
}

static void corruption(struct finding *f)
{
	static const char *const names[] = {"list", "dlist", "bins", "segmeta"};

	for (int i = 0; i < 4; i++) {
		const double percent = corrupted_percent(names[i]);
		find_text(f, "%s: %.0f %%", names[i], percent);
		find_figure(f, names[i], percent);
		find_verdict(f, i < 3 ? percent > 80 : percent < 60, "%s is corrupted by %.0f %%",
		    names[i],
		    percent);
	}
	find_text(f, "of 40 overruns by 1 to 32 bytes leave broken metadata");
}

/* ---- locality of metadata -------------------------------------------------------------------- */

static volatile size_t faults;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	char *const page = (char *)round_down((uintptr_t)info->si_addr, 4096);
	(void)signal, (void)context;
	faults++;
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

/* Page faults of one traversal of all metadata, by taking the right to every page away first. */
static void fault_count(const char *name, size_t *fault_pages, size_t *all_pages)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
	struct bytes bytes = {0};
	struct bench_heap b;

	bench_heap_open(&b, lecture_system(name), NULL);
	for (int i = 0; i < OBJECTS; i++)
		bench_alloc(&b, 200);
	const size_t heap_len = round_up(ptr_diff(b.arena.brk, b.arena.base), 4096);
	const size_t map_len = ptr_diff(b.arena.map_top, b.arena.heap_end);
	sigaction(SIGSEGV, &action, NULL);
	faults = 0;
	mprotect(b.arena.base, heap_len, PROT_NONE);
	mprotect(b.arena.heap_end, map_len, PROT_NONE);
	heap_walk(&b.heap, bytes_sum, &bytes);
	*fault_pages = faults;
	*all_pages = (heap_len + map_len) / 4096;
	action.sa_handler = SIG_DFL;
	action.sa_flags = 0;
	sigaction(SIGSEGV, &action, NULL);
	mprotect(b.arena.heap_end, map_len, PROT_READ | PROT_WRITE);
	mprotect(b.arena.base, heap_len, PROT_READ | PROT_WRITE);
	bench_heap_close(&b);
}

static void locality(struct finding *f)
{
	size_t scattered, segregated, all_scattered, all_segregated;

	fault_count("bins", &scattered, &all_scattered);
	fault_count("segmeta", &segregated, &all_segregated);
	find_text(f, "a traversal of the metadata of %d objects of 200 bytes faults on %zu of %zu "
	             "pages in bins, on %zu of %zu in segmeta",
	    OBJECTS, scattered, all_scattered, segregated, all_segregated);
	find_figure(f, "bins_faults", (double)scattered);
	find_figure(f, "segmeta_faults", (double)segregated);
	find_verdict(f, segregated * 10 < scattered,
	    "segregation saves less than nine tenths of the faults");
}

/* ---- the trade-off --------------------------------------------------------------------------- */

static void trade_off(struct finding *f)
{
	const struct churn c = {.ops = 50000, .live = 2000, .size_max = 512};
	const struct churned bins = churn(lecture_system("bins"), NULL, &c);
	const struct churned segmeta = churn(lecture_system("segmeta"), NULL, &c);
	const double bins_cost = run_cost("bins", DMM_COALESCE_NOW);
	const double segmeta_cost = run_cost("segmeta", DMM_COALESCE_NOW);

	find_text(f, "malloc and free: bins %.0f instructions, segmeta %.0f; footprint of live in "
	             "a steady state: bins %.2f, segmeta %.2f",
	    bins_cost, segmeta_cost, bins.footprint_bytes / bins.live_bytes,
	    segmeta.footprint_bytes / segmeta.live_bytes);
	find_figure(f, "bins_instructions", bins_cost);
	find_figure(f, "segmeta_instructions", segmeta_cost);
	find_figure(f, "bins_space", bins.footprint_bytes / bins.live_bytes);
	find_figure(f, "segmeta_space", segmeta.footprint_bytes / segmeta.live_bytes);
	find_verdict(f, segmeta_cost < bins_cost, "segmeta is not the faster one");
}

/* Two sizes in turn: memory of the first, once freed, cannot serve the second without
 * coalescing. */
static double phase_change(const char *name)
{
	static void *p[OBJECTS];
	struct bench_heap b;

	bench_heap_open(&b, lecture_system(name), NULL);
	for (int i = 0; i < OBJECTS; i++)
		p[i] = bench_alloc(&b, 64);
	for (int i = 0; i < OBJECTS; i++)
		bench_free(&b, p[i]);
	for (int i = 0; i < OBJECTS / 4; i++)
		bench_alloc(&b, 256);
	const double ratio = (double)b.os.peak_bytes / (OBJECTS * 64.0);
	bench_heap_close(&b);
	return ratio;
}

static void no_coalescing(struct finding *f)
{
	const double bins = phase_change("bins"), segmeta = phase_change("segmeta");

	find_text(f, "64-byte objects all freed, then the same bytes in 256-byte objects: peak "
	             "footprint of live bins %.2f, segmeta %.2f",
	    bins, segmeta);
	find_figure(f, "bins", bins);
	find_figure(f, "segmeta", segmeta);
	find_verdict(f, segmeta > 1.5 && segmeta > 1.2 * bins, "no coalescing costs nothing here");
}

/* Fast or small, but not both. */
static void time_or_space(struct finding *f)
{
	static const char *const names[] = {"pad", "list", "dlist", "bins", "gnu", "segdata",
	    "segmeta"};
	const struct churn c = {.ops = 20000, .live = 1000, .size_max = 256};
	double best_time = INFINITY, best_space = INFINITY;
	const char *fastest = "", *leanest = "";

	for (int i = 0; i < 7; i++) {
		const struct dmm_system *const sys = lecture_system(names[i]);
		const struct churned m = churn(sys, NULL, &c);
		const double cost = churn_instructions(sys, 1000, false) + churn_instructions(sys,
		    1000, true);
		const double ratio = m.peak_bytes / m.live_bytes;
		find_text(f, "%s %.0f instructions, %.2f of live", names[i], cost, ratio);
		if (cost < best_time)
			best_time = cost, fastest = names[i];
		if (ratio < best_space)
			best_space = ratio, leanest = names[i];
	}
	find_verdict(f, fastest != leanest, "%s is both the fastest and the leanest", fastest);
}

const struct experiment lecture_segregated[] = {
    {"time-or-space", "Goals for DMM",
        "Easy to reduce time or space; hard to reduce time and space",
        time_or_space},
    {"segdata-classes", "Segregated Data", "malloc(32) provides 32, malloc(5) 32, malloc(100) 128",
        segdata_classes},
    {"segdata-overhead", "Segregated Data", "Eliminates splitting and coalescing overhead",
        segdata_no_overhead},
    {"segdata-internal", "Segregated Data", "Con: internal fragmentation", segdata_internal},
    {"segdata-one-object", "Segregated Data",
        "Only one malloc(32) wastes all but 32 bytes of one virtual page", segdata_one_object},
    {"corruption", "Segregated Meta-Data", "User error easily can corrupt meta-data", corruption},
    {"locality", "Segregated Meta-Data", "Traversal of meta-data can cause excessive page faults",
        locality},
    {"segmeta-overhead", "Segregated metadata performance", "Space: no overhead for header",
        segmeta_overhead},
    {"segmeta-malloc", "Segregated metadata performance", "malloc: very very good, O(1)",
        segmeta_malloc},
    {"segmeta-free", "Segregated metadata performance", "free: hash-table lookup, good, O(1)",
        segmeta_free},
    {"no-coalescing", "Segregated metadata performance",
        "No coalescing, fragmentation may occur, possibly bad", no_coalescing},
    {"trade-off", "Trade-off",
        "Bins: fast malloc, fast free; segregated metadata: very fast malloc",
        trade_off},
    {0},
};
