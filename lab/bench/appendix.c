/* appendix.c - experiments: the appendix's techniques: reuse, footer, splitting, coalescing. */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench/lecture.h"

/* ---- overhead -------------------------------------------------------------------------------- */

enum { OBJECTS = 10000, OBJECT_LEN = 64 };

/* Header and footer bytes an object; objects of OBJECT_LEN, which every layout can pad to 16. */
static double overhead(const char *name, enum dmm_reuse reuse)
{
	const struct dmm_system *const sys = lecture_system(name);
	struct dmm_params params = sys->defaults;
	struct bytes bytes = {0};
	struct bench_heap b;

	if (sys->options & DMM_OPT_REUSE)
		params.reuse = reuse;
	bench_heap_open(&b, sys, &params);
	for (int i = 0; i < OBJECTS; i++)
		bench_alloc(&b, OBJECT_LEN);
	heap_walk(&b.heap, bytes_sum, &bytes);
	bench_heap_close(&b);
	return bytes.meta_between / OBJECTS;
}

static void overheads(struct finding *f)
{
	const double as_taught = overhead("bins", DMM_REUSE_NONE),
	    links = overhead("bins", DMM_REUSE_LINKS);
	const double footer = overhead("bins", DMM_REUSE_FOOTER),
	    segmeta = overhead("segmeta", DMM_REUSE_NONE);

	find_text(f, "bytes an object: bins as taught %.1f, links in the payload %.1f, and no "
	             "live footer %.1f, segmeta %.1f",
	    as_taught, links, footer, segmeta);
	find_figure(f, "as_taught", as_taught);
	find_figure(f, "links", links);
	find_figure(f, "footer", footer);
	find_figure(f, "segmeta", segmeta);
	find_verdict(f, fabs(as_taught - 32) < 0.5 && fabs(links - 16) < 0.5 &&
	    fabs(footer - 8) < 0.5 &&
	        segmeta == 0, "the steps are not 32, 16, 8 and 0");
}

/* ---- the redundant footer -------------------------------------------------------------------- */

static void overrun(void *arg, void *result)
{
	struct bench_heap b;
	const struct dmm_system *const sys = lecture_system("dlist");
	struct dmm_params params = sys->defaults;
	const int out = open("/dev/null", O_WRONLY);

	(void)result;
	dup2(out, STDERR_FILENO); /* the message is another test's matter */
	params.footer = *(const bool *)arg;
	bench_heap_open(&b, sys, &params);
	char *const s = bench_alloc(&b, 32);
	bench_alloc(&b, 32);
	/* volatile: the compiler sees the overrun as well */
	volatile char *const end = s;
	const char *const rain = "The rain in Spain is mainly in the plain.";
	for (size_t i = 0; i <= strlen(rain); i++)
		end[i] = rain[i];
	bench_free(&b, s);
}

static void footer_check(struct finding *f)
{
	bool checked = true;
	char nothing;
	const enum cell_status with = cell_run(overrun, &checked, &nothing, 1, 5);

	find_text(f, "41 characters and their end into 32 bytes: free %s",
	    with == CELL_CRASHED ? "stops the program" : "notices nothing");
	find_verdict(f, with == CELL_CRASHED, "the overrun is not noticed");
}

/* ---- selective splitting --------------------------------------------------------------------- */

static struct churned churn_split(size_t split_min)
{
	const struct dmm_system *const sys = lecture_system("dlist");
	const struct churn c = {.ops = 50000, .live = 2000, .size_max = 512};
	struct dmm_params params = sys->defaults;

	params.split_min = split_min;
	return churn(sys, &params, &c);
}

static void split_selective(struct finding *f)
{
	double external[2], internal[2];

	for (int i = 0; i < 2; i++) {
		const struct churned m = churn_split(i == 0 ? 0 : 256);
		external[i] = 100 * m.free_bytes / m.footprint_bytes;
		internal[i] = 100 * (m.usable_bytes - m.live_bytes) / m.footprint_bytes;
		find_text(f, "%s: external %.1f %%, internal %.1f %%, footprint %.2f of live",
		    i == 0 ? "split whenever possible" : "only above 256 bytes", external[i],
		    internal[i],
		    m.peak_bytes / m.live_bytes);
	}
	find_figure(f, "external_always", external[0]);
	find_figure(f, "external_selective", external[1]);
	find_figure(f, "internal_always", internal[0]);
	find_figure(f, "internal_selective", internal[1]);
	find_verdict(f, external[1] < external[0] && internal[1] > internal[0],
	    "external does not fall or internal does not rise");
}

/* ---- deferred coalescing --------------------------------------------------------------------- */

enum { RUN = 16 };

struct timed_run {
	const struct dmm_system *sys;
	struct dmm_params params;
	struct bench_heap heap;
	size_t n;
};

static void run_prepare(void *arg)
{
	struct timed_run *const r = arg;

	bench_heap_open(&r->heap, r->sys, &r->params);
	for (int i = 0; i < 8; i++) {
		void *const p = bench_alloc(&r->heap, 2048);
		bench_alloc(&r->heap, 16);
		bench_free(&r->heap, p);
	}
	bench_free(&r->heap, bench_alloc(&r->heap, r->n)); /* the first pair is not the rule */
}

/* malloc(n); free(); malloc(n); free() ... */
static void run_perform(void *arg)
{
	struct timed_run *const r = arg;

	for (int i = 0; i < RUN; i++)
		r->sys->free(r->heap.heap.state, r->sys->alloc(r->heap.heap.state, r->n,
		    DMM_ALIGN_MIN));
}

double run_cost(const char *name, enum dmm_coalesce coalesce)
{
	struct timed_run r = {.sys = lecture_system(name), .n = 100};

	r.params = r.sys->defaults;
	if (coalesce == DMM_COALESCE_DEFERRED) {
		r.params.coalesce = coalesce;
		r.params.deferred_max = max_size(r.params.deferred_max, 64);
	}
	const double cost = cell_instructions(run_prepare, run_perform, &r) / RUN;
	if (cost < 0)
		lab_die(EXIT_OURS, "cannot single-step %s", name);
	return cost;
}

static void coalesce_deferred(struct finding *f)
{
	static const char *const names[] = {"dlist", "bins"};

	for (int i = 0; i < 2; i++) {
		const double now = run_cost(names[i], DMM_COALESCE_NOW);
		const double later = run_cost(names[i], DMM_COALESCE_DEFERRED);
		find_text(f, "%s: %.0f instructions a malloc(100) and free, deferred %.0f",
		    names[i], now, later);
		find_figure(f, i == 0 ? "dlist_now" : "bins_now", now);
		find_figure(f, i == 0 ? "dlist_deferred" : "bins_deferred", later);
		find_verdict(f, later < 0.8 * now, "%s gains less than a fifth", names[i]);
	}
}

const struct experiment lecture_appendix[] = {
    {"overhead", "Using payload space for management",
        "32 bytes overhead per object; 16, if payload overlapped with header; 0 with segregated "
        "metadata",
        overheads},
    {"footer-check", "Another use for the extra size field: error checking",
        "The footer's redundant size detects an overrun", footer_check},
    {"split-selective", "Selective Splitting",
        "Reduces external fragmentation, increases internal fragmentation", split_selective},
    {"coalesce-deferred", "Deferred Coalescing",
        "Handles malloc(n); free(); malloc(n) sequences well",
        coalesce_deferred},
    {0},
};
