/* advise.c - every design on the recording, and the order of what they need. */
#include "tune/advise.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cli/lab.h"
#include "cli/progress.h"
#include "allocators/registry.h"
#include "allocators/techniques.h"
#include "run/launch.h"
#include "slab/system.h"
#include "trace/caveat.h"

static const double SLOW_NS = 500; /* a call; no need to know it better */

static const double RUN_LEAST = 0.01; /* seconds: a process takes that much to start and end */
static const double TIMED_MOST = 0.8; /* of the run in malloc and free: more is no real clock */

/* of the fastest design's time: what takes longer is stopped */
static const double SLOWER_MOST = 20;
static const double BUDGET_LEAST = 2; /* seconds */

static const double FIRST_SHARE = 0.25; /* of a design's replays: without looks */

enum { REPEAT = 3, REPEAT_MOST = 4000000 /* calls */, BESIDE_LEAST = 2 << 20 };

/* Designs that no program should get, and why. */
static const struct {
	const char *name, *why;
} for_study[] = {
    {"list", "for study: malloc and free walk one list"},
    {"dlist", "for study: malloc searches one list"},
};

static struct choice *add(struct advice *a, const struct dmm_system *sys, const char *conf)
{
	struct choice *const c = &a->choice[a->count++];

	*c = (struct choice){.sys = sys};
	snprintf(c->conf, sizeof c->conf, "%s", conf);
	return c;
}

/* Half of mmap, the first touch and munmap of one page, at best. */
static double system_call_ns(void)
{
	static double least;

	for (int i = 0; i < 200 && (least == 0 || i > 0); i++) {
		const double began = launch_now();
		char *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			break;
		*(volatile char *)page = 1;
		munmap(page, 4096);
		const double ns = (launch_now() - began) * 1e9 / 2;
		least = least == 0 || ns < least ? ns : least;
	}
	return least;
}

/* ns a call of a replay: the model's own time, and for each system call what one costs on this
 * machine, where the kernel also maps the page that comes of it. */
static double call_ns(const struct model_result *r)
{
	const double own = r->seconds * 1e9 + (double)r->os_calls * system_call_ns();
	return r->calls != 0 ? own / (double)r->calls : 0;
}

/* A design that frees nothing holds all that was ever asked for: no need to replay that. */
static void count_all(struct choice *c, const struct facts *f)
{
	c->peak = (struct accounting){.footprint = f->asked};
	c->end_footprint = f->asked;
	c->mean = (double)f->asked;
	snprintf(c->problem, sizeof c->problem,
	    "for study: never frees; at least all that was asked for");
}

/* The design is replayed in this part of the command's work. */
struct share {
	double from, to;
};

/* budget_s: of CPU time; 0: any. */
static void replay(struct choice *c, const struct replay_ops *ops, double budget_s,
    struct share share)
{
	const double first = share.from + FIRST_SHARE * (share.to - share.from);

	struct subject subject;
	struct model_result r;
	char why[256];

	if (!subject_make(&subject, c->sys, c->conf, why, sizeof why))
		lab_die(EXIT_OURS, "%s: %s", c->sys->name, why);
	/* of a long recording one run tells the time of a call, and that of model_replay() does */
	const bool first_run = budget_s > 0 || ops->head->count < REPEAT_MOST;
	progress_part(share.from, first_run ? first : share.to);
	if (first_run && !model_memory(&r, ops, &subject, budget_s, NULL))
		lab_die(EXIT_OURS, "no memory to replay");
	progress_part(first_run ? first : share.from, share.to);
	c->ns = first_run ? call_ns(&r) : INFINITY;
	if (!first_run || r.problem[0] == '\0') {
		if (!model_replay(&r, ops, &subject, 1))
			lab_die(EXIT_OURS, "no memory to replay");
		c->ns = fmin(c->ns, call_ns(&r));
	}
	c->peak = r.peak;
	c->steps = r.steps;
	c->mean = r.mean;
	c->end_footprint = r.end;
	snprintf(c->problem, sizeof c->problem, "%s", r.problem);
	model_free(&r);
	/* was it the machine? */
	for (int i = 2; i < REPEAT && c->ns < SLOW_NS && ops->head->count < REPEAT_MOST; i++)
		if (model_memory(&r, ops, &subject, budget_s, NULL) && call_ns(&r) < c->ns)
			c->ns = call_ns(&r);
}

/* glibc is the design gnu behind a cache of freed chunks, which keeps memory that gnu alone gives
 * back: without it this row would hold less than the program did. */
static void add_tcache(struct choice *c, const struct replay_ops *ops)
{
	struct tcache tcache = {0};
	struct subject subject;
	struct model_result r;
	char why[256];

	if (!subject_make(&subject, c->sys, c->conf, why, sizeof why))
		lab_die(EXIT_OURS, "%s: %s", c->sys->name, why);
	if (!model_memory(&r, ops, &subject, 0, &tcache))
		lab_die(EXIT_OURS, "no memory to replay");
	if (r.problem[0] != '\0')
		return; /* the replay without it had the same and says so */
	c->mean = r.mean;
	c->end_footprint = r.end;
	c->peak.footprint = r.peak.footprint;
}

static void judge(const struct advice *a, struct choice *c)
{
	for (size_t i = 0; i < sizeof for_study / sizeof *for_study; i++)
		if (strcmp(for_study[i].name, c->sys->name) == 0)
			snprintf(c->problem, sizeof c->problem, "%s", for_study[i].why);
	if (c == a->usual)
		return;
	if (a->facts.busy_threads > 1 && (c->sys->traits & DMM_THREADS) == 0)
		snprintf(c->problem, sizeof c->problem,
		    "one lock around every call, and %llu busy threads",
		    (unsigned long long)a->facts.busy_threads);
}

/* The run with this design's calls in place of the usual's.  Settings of slab change page faults,
 * which no replay times: so the run with them is longer than on slab as it comes by the steps that
 * they add. */
static void weigh(struct advice *a, struct choice *c, double usual_ns)
{
	const double calls = usual_ns * 1e-9 * (double)a->facts.calls, guess = calls / ADVISE_SHARE;
	const double all = a->timed ? a->facts.seconds : guess > RUN_LEAST ? guess : RUN_LEAST;
	const double share = calls / all;
	const bool tight = c->sys == a->slab->sys && c != a->slab;

	c->run = 1 + share * ((tight ? a->slab->ns : c->ns) / usual_ns - 1);
	if (tight)
		c->run += (c->steps - a->slab->steps) * 1e-9 / all;
	c->process = a->beside_heap + c->mean + (c == a->usual ? 0 : ADVISE_LIBRARY);
	c->cost = c->process * c->run;
	if (c->problem[0] == '\0')
		judge(a, c);
}

static int by_cost(const void *x, const void *y)
{
	const struct choice *const a = x, *const b = y;
	const int bad_a = a->problem[0] != '\0', bad_b = b->problem[0] != '\0';

	if (bad_a != bad_b)
		return bad_a - bad_b;
	return a->cost < b->cost ? -1 : a->cost > b->cost;
}

static void add_tuned(struct advice *a, const char *name)
{
	static const struct tune_order order = {TUNE_BY_MEAN, 0.01, 1};
	static struct tuned tuned;

	tune_search(&tuned, registry_find(name), a->rec, 1, &order);
	if (tuned.found.conf[0] != '\0')
		replay(add(a, tuned.sys, tuned.found.conf), &a->rec->ops, 0, (struct share){0, 1});
}

static const struct choice *find(const struct advice *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->choice[i].sys->name, name) == 0 && a->choice[i].conf[0] == '\0')
			return &a->choice[i];
	return NULL;
}

/* The recording says how much anonymous memory the process had at most, its heap with it. */
static double beside_heap(const struct advice *a, const struct choice *usual)
{
	struct trace_file file;
	struct trace_error e;
	double all = 0;

	if (trace_file_open(&file, a->rec->path, &e)) {
		all = (double)file.peak_anon_kib * 1024;
		trace_file_close(&file);
	}
	all -= (double)usual->peak.footprint;
	return all > BESIDE_LEAST ? all : BESIDE_LEAST;
}

/* Enough of a gain, and not only a few pages of a process that hardly has a heap. */
static bool worth_it(const struct advice *a)
{
	return a->best->cost <= ADVISE_WORTH * a->usual->cost &&
	    (a->usual->process - a->best->process >= ADVISE_SAVES || a->best->run <= ADVISE_WORTH);
}

/* The fast designs first: they say how long the others may take. */
static void replay_study(struct advice *a, double fastest_s)
{
	static const char *const order[] = {"segdata", "segmeta", "bins", "vm", "dlist", "list",
	    "minimal", "pad"};
	const double most = SLOWER_MOST * fastest_s > BUDGET_LEAST ? SLOWER_MOST * fastest_s
	    : BUDGET_LEAST;

	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		struct choice *const c = add(a, registry_find(order[i]), "");
		if ((c->sys->traits & DMM_FREES) == 0)
			count_all(c, &a->facts);
		else
			replay(c, &a->rec->ops, most, (struct share){0, 1});
	}
	if (a->facts.busy_threads == 1) {
		add_tuned(a, "bins");
		add_tuned(a, "gnu");
	}
}

/* slab with the user's settings, or with the tight ones, with which it keeps next to nothing. */
static void add_settings(struct advice *a, const char *conf, struct share share)
{
	char tight[ASCENT_CONF];

	slab_tight_conf(tight, sizeof tight);
	if (conf != NULL || a->rec->ops.head->count < REPEAT_MOST)
		replay(add(a, &system_slab, conf != NULL ? conf : tight), &a->rec->ops, 0, share);
}

/* The least cost. Settings must gain something over slab as it comes, and that gain alone must be
 * worth a change. */
static const struct choice *best(const struct advice *a)
{
	const struct choice *const first = &a->choice[0], *const slab = a->slab;
	const bool settings = first->sys == slab->sys && first != slab;

	return settings && slab->cost <= ADVISE_WORTH * a->usual->cost &&
	        first->cost > ADVISE_WORTH * slab->cost ? slab : first;
}

void advise(struct advice *a, struct tune_recording *rec, const char *path, const char *conf,
    bool study)
{
	*a = (struct advice){.rec = rec};
	progress_begin("reading calls");
	progress_part(0, 0.45);
	tune_recording_diagnose(rec, path, &a->diagnosis);
	if (!facts_count(&a->facts, &rec->ops))
		lab_die(EXIT_OURS, "%s: no memory", path);
	replay(add(a, registry_find("gnu"), ""), &rec->ops, 0, (struct share){0.45, 0.6});
	progress_part(0.6, 0.65);
	add_tcache(&a->choice[0], &rec->ops);
	replay(add(a, registry_find("slab"), ""), &rec->ops, 0, (struct share){0.65, 0.85});
	add_settings(a, conf, (struct share){0.85, 1});
	progress_end();
	const double usual_ns = a->choice[0].ns;
	if (study)
		replay_study(a, usual_ns * 1e-9 * (double)a->facts.calls);
	a->usual = find(a, "gnu");
	a->slab = find(a, "slab");
	a->beside_heap = beside_heap(a, a->usual);
	a->timed = !rec->ops.head->timeless && usual_ns * 1e-9 * (double)a->facts.calls <
	    TIMED_MOST * a->facts.seconds;
	for (size_t i = 0; i < a->count; i++)
		weigh(a, &a->choice[i], usual_ns);
	qsort(a->choice, a->count, sizeof *a->choice, by_cost);
	a->usual = find(a, "gnu");
	a->slab = find(a, "slab");
	a->best = best(a);
	a->few = !rec->ops.head->timeless && a->facts.calls < CAVEAT_CALLS;
	a->none_needed = a->few || !worth_it(a);
}

enum part advise_gap(const struct accounting *peak, double *share)
{
	enum part most = PART_PADDING;

	for (int i = PART_PADDING; i < PARTS; i++)
		if (peak->part[i] > peak->part[most])
			most = (enum part)i;
	*share = peak->footprint != 0 ? (double)peak->part[most] / (double)peak->footprint : 0;
	return most;
}
