/* heap.c - experiments: the minimal, pad and list implementations, and fragmentation. */
#include "base/bits.h"
#include "bench/lecture.h"
#include "draw/demo.h"

static void minimal_calls(struct finding *f)
{
	const struct churn c = {.ops = 1000, .live = 100, .size_max = 256};
	const struct churned m = churn(lecture_system("minimal"), NULL, &c);
	const double per_malloc = m.calls / (double)(c.ops + c.live);

	find_text(f, "%.3f system calls per malloc", per_malloc);
	find_figure(f, "calls_per_malloc", per_malloc);
	find_verdict(f, per_malloc > 0.99 && per_malloc < 1.01, "it is not one call per malloc");
}

static void no_reuse(struct finding *f, const char *name)
{
	const struct growth g = churn_growth(lecture_system(name));

	find_growth(f, "footprint by operations, live constant", &g, ORDER_LINEAR);
}

static void minimal_no_reuse(struct finding *f)
{
	no_reuse(f, "minimal");
}

static void pad_no_reuse(struct finding *f)
{
	no_reuse(f, "pad");
}

static void pad_calls(struct finding *f)
{
	const struct churn c = {.ops = 1000, .live = 100, .size_max = 256};
	const struct churned m = churn(lecture_system("pad"), NULL, &c);
	const double per_malloc = m.calls / (double)(c.ops + c.live);

	find_text(f, "%.3f system calls per malloc", per_malloc);
	find_figure(f, "calls_per_malloc", per_malloc);
	find_verdict(f, per_malloc < 0.05, "brk is called more often than in one malloc of 20");
}

/* The cost of a request that only the last chunk of a long list can meet. */
static struct scene long_list(const char *name)
{
	struct scene s = scene_of(lecture_system(name));
	s.target_free = true;
	s.ask = s.target_len;
	return s;
}

static void pad_time(struct finding *f)
{
	struct scene s = scene_of(lecture_system("pad"));
	s.params = s.sys->defaults;
	s.ask = 64;
	const struct growth g = scene_growth(&s);
	find_growth(f, "pad malloc", &g, ORDER_CONSTANT);
}

static void list_malloc(struct finding *f)
{
	const struct scene s = long_list("list");
	const struct growth g = scene_growth(&s);
	find_growth(f, "list malloc", &g, ORDER_LINEAR);
}

/* "Often acceptable": in a steady state malloc looks at a small part of what the worst case
 * does. */
static void typical(struct finding *f, const char *name)
{
	enum { LIVE = 1000 };
	const double mean = churn_instructions(lecture_system(name), LIVE, false);
	struct scene s = long_list(name);
	s.holes = LIVE / 4; /* about as many free chunks as such a steady state has */
	const double worst = scene_instructions(&s);

	find_text(f, "%s malloc: mean %.0f instructions in a steady state of %d objects, %.0f "
	             "when only the last of %zu free chunks fits",
	    name, mean, LIVE, worst, s.holes);
	find_figure(f, "mean", mean);
	find_figure(f, "worst", worst);
	find_verdict(f, mean < worst / 4, "the mean is not below a quarter of the worst case");
}

static void list_malloc_typical(struct finding *f)
{
	typical(f, "list");
}

static void list_free(struct finding *f)
{
	const struct scene s = scene_of(lecture_system("list"));
	const struct growth g = scene_growth(&s);
	const double mallocs = churn_instructions(s.sys, 1000, false);
	const double frees = churn_instructions(s.sys, 1000, true);

	find_growth(f, "list free", &g, ORDER_LINEAR);
	find_text(f, "in a steady state of 1000 objects a mean free takes %.0f instructions, a "
	    "malloc %.0f",
	    frees, mallocs);
	find_figure(f, "steady_free", frees);
	find_figure(f, "steady_malloc", mallocs);
	find_verdict(f, frees > mallocs, "free is not often worse than malloc");
}

static void list_space(struct finding *f)
{
	lecture_space(f, "list", "headers and the like", true);
}

/* ---- fragmentation --------------------------------------------------------------------------- */

static const char *const freeing_heaps[] = {"list", "dlist", "bins", "gnu"};
enum { FREEING_HEAPS = 4 };

static struct tell last_step(const struct dmm_system *sys, const struct demo *demo)
{
	struct demo_stage stage;

	if (demo_open(&stage, demo, sys, NULL) != 0)
		lab_die(EXIT_OURS, "cannot open a heap of %s", sys->name);
	while (stage.done < demo->step_count)
		demo_advance(&stage);
	const struct tell t = stage.told;
	demo_close(&stage);
	return t;
}

static void external_150(struct finding *f)
{
	const struct demo *const demo = &demo_examples[1];

	for (int i = 0; i < FREEING_HEAPS; i++) {
		const struct tell t = last_step(lecture_system(freeing_heaps[i]), demo);
		find_text(f, "%s: %zu free, at most %zu in one piece, heap extended by %zu",
		    freeing_heaps[i],
		    t.free_bytes / demo->unit, t.free_largest / demo->unit, t.grew / demo->unit);
		find_verdict(f, t.grew != 0 && t.free_bytes >= 150 * demo->unit &&
		        t.free_largest < 150 * demo->unit, "%s did not extend its heap",
		        freeing_heaps[i]);
	}
}

static void internal_98(struct finding *f)
{
	const struct demo *const demo = &demo_examples[2];

	for (int i = 0; i < FREEING_HEAPS; i++) {
		const struct tell t = last_step(lecture_system(freeing_heaps[i]), demo);
		const double unit = (double)demo->unit, waste = (double)t.waste / unit;
		find_text(f, "%s: %g of %g wasted", freeing_heaps[i], waste,
		    (double)t.call.n / unit + waste);
		find_verdict(f, t.reused && waste >= 2, "%s wastes nothing", freeing_heaps[i]);
	}
}

struct demo_counts {
	int reused, two, three, holes;
};

static struct demo_counts count_captions(const struct dmm_system *sys)
{
	struct demo_counts n = {0};
	struct demo_stage stage;

	if (demo_open(&stage, &demo_examples[0], sys, NULL) != 0)
		lab_die(EXIT_OURS, "cannot open a heap of %s", sys->name);
	while (stage.done < stage.demo->step_count) {
		demo_advance(&stage);
		n.reused += stage.told.reused;
		n.two += stage.told.merged == 2;
		n.three += stage.told.merged == 3;
		n.holes += stage.told.hole;
	}
	demo_close(&stage);
	return n;
}

static void desired_behaviour(struct finding *f)
{
	for (int i = 0; i < FREEING_HEAPS; i++) {
		const struct demo_counts n = count_captions(lecture_system(freeing_heaps[i]));
		find_text(f, "%s: external fragmentation %d, reused %d, coalesced two %d, three %d",
		    freeing_heaps[i], n.holes, n.reused, n.two, n.three);
		find_verdict(f, n.holes && n.reused && n.two && n.three, "%s lacks one of them",
		    freeing_heaps[i]);
	}
}

/* Every other object freed, then twice the size asked: no design may move what is live. */
static void unavoidable(struct finding *f)
{
	enum { OBJECTS = 4096, LEN = 4096 };
	static void *p[OBJECTS];
	struct bench_heap b;

	for (int i = 0; i < FREEING_HEAPS; i++) {
		bench_heap_open(&b, lecture_system(freeing_heaps[i]), NULL);
		for (int k = 0; k < OBJECTS; k++)
			p[k] = bench_alloc(&b, LEN);
		for (int k = 0; k < OBJECTS; k += 2)
			bench_free(&b, p[k]);
		for (int k = 0; k < OBJECTS / 4; k++)
			bench_alloc(&b, 2 * LEN);
		const double ratio = (double)b.os.owned_bytes / ((double)OBJECTS * LEN);
		find_text(f, "%s: footprint %.2f of live", freeing_heaps[i], ratio);
		find_verdict(f, ratio > 1.4, "%s met the requests from its holes",
		    freeing_heaps[i]);
		bench_heap_close(&b);
	}
}

const struct experiment lecture_heap[] = {
    {"minimal-calls", "Minimal Impl Performance", "Time: bad: one system call per malloc()",
        minimal_calls},
    {"minimal-no-reuse", "Minimal Impl Performance",
        "Space: bad: each call of malloc() extends heap size, no reuse of freed chunks",
        minimal_no_reuse},
    {"pad-calls", "Pad Impl Performance", "malloc() calls brk() infrequently", pad_calls},
    {"pad-time", "Pad Impl Performance", "Time: good", pad_time},
    {"pad-no-reuse", "Pad Impl Performance", "Space: bad: no reuse of freed chunks", pad_no_reuse},
    {"external-150", "External Fragmentation",
        "Client asks for 150 bytes, available, but not contiguously: the heap must be extended",
        external_150},
    {"internal-98", "Internal Fragmentation", "Client asks for 98 bytes, gets 100: 2 bytes wasted",
        internal_98},
    {"desired-behaviour", "DMM Desired Behavior Demo",
        "External fragmentation; reused previously freed chunk; coalesced two, three free chunks",
        desired_behaviour},
    {"unavoidable", "DMM Desired Behavior Demo", "Some external fragmentation is unavoidable",
        unavoidable},
    {"list-malloc", "List Impl Performance", "malloc() must search free list: bad: O(n)",
        list_malloc},
    {"list-malloc-typical", "List Impl Performance", "malloc(): but often acceptable",
        list_malloc_typical},
    {"list-free", "List Impl Performance",
        "free() must search free list for insertion spot: bad: O(n), often very bad", list_free},
    {"list-space", "List Impl Performance", "Space: headers are overhead; overall: good",
        list_space},
    {0},
};
