/* tune.c - scores sets of settings on recordings, and searches for the best. */
#include "tune/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/progress.h"
#include "replay/replay.h"
#include "slab/system.h"

static const double GAIN = 1.002; /* less is not worth another setting */
static const double PEAK_MOST =
    1.02; /* of the peak as it comes, where another figure is made small */
static const double RUN_SHARE = 0.02; /* of a run whose time is not known, in malloc and free */
static const double CALL_SAVES_NS =
    10; /* slab next to glibc, at least: docs/evidence/performance.md */
static const double RECORDING_NS = 40;                      /* what recording a call costs */
static const double BUSY_LEAST_NS = 20, IDLE_FROM_NS = 1e6; /* a call; between two marks */

enum { SEVERAL_CLIMBS = 4000000 /* calls at most: five hundred replays then take minutes */ };
/* In all replays of a search together: two to four minutes.  Not a clock, as the result must not
 * depend on the machine. */
static const double calls_most = 4e9;

/* The last `parts` parts of a path. */
static const char *tail(const char *path, int parts)
{
	const char *at = path + strlen(path);

	while (at > path && (at[-1] != '/' || --parts > 0))
		at--;
	return at;
}

/* A program that makes no call for a while may be working all the same.  Then this is too little,
 * and the bound on time stricter. */
static double busy_ns(const struct replay_ops *ops)
{
	double sum = 0;

	for (size_t at = 0; at < ops->head->count; at += OPS_A_MARK) {
		const size_t next =
		    at + OPS_A_MARK < ops->head->count ? at + OPS_A_MARK : ops->head->count;
		const double gap = (double)(replay_ops_ns(ops, next) - replay_ops_ns(ops, at));
		sum += fmax(fmin(gap, IDLE_FROM_NS) - RECORDING_NS * (double)(next - at),
		    BUSY_LEAST_NS * (double)(next - at));
	}
	return ops->head->timeless ? 0 : sum;
}

static bool is_glibc(const char *name)
{
	return name[0] == '\0' || strncmp(name, "libc.so", 7) == 0 ||
	       strncmp(name, "libc-", 5) == 0;
}

/* Which malloc the program had, as the recording says. */
static void read_recorded_on(struct tune_recording *r)
{
	struct trace_file file;
	struct trace_error e;

	if (trace_file_open(&file, r->path, &e)) {
		if (!trace_file_value(
		        &file, TRACE_META, "allocator", r->recorded_on, sizeof r->recorded_on))
			r->recorded_on[0] = '\0';
		trace_file_close(&file);
	}
	const char *const slash = strrchr(r->recorded_on, '/');
	if (slash != NULL)
		memmove(r->recorded_on, slash + 1, strlen(slash + 1) + 1);
	r->glibc = is_glibc(r->recorded_on);
}

static void refuse_empty(const struct tune_recording *r)
{
	if (r->ops.head->calls == 0 || r->ops.head->peak_payload == 0)
		lab_die(EXIT_FAULT, "%s: nothing is allocated in it; dmm info tells why", r->path);
}

static void open_recording(struct tune_recording *r, const char *path)
{
	struct trace_error e;

	*r = (struct tune_recording){.path = path, .name = tail(path, 1)};
	read_recorded_on(r);
	if (!replay_ops_build(&r->ops, path, OPS_FOR_MODELS, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	refuse_empty(r);
	replay_caveats(path, &r->ops, false);
	r->busy_ns = busy_ns(&r->ops);
}

static bool read_and_diagnose(struct tune_recording *r, struct diagnosis *d, struct trace_error *e)
{
	struct trace_file file;
	struct trace_stream stream;

	if (!trace_file_open(&file, r->path, e))
		return false;
	if (!trace_stream_open(&stream, &file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	struct ops_build *const ops = ops_build_begin(&file, &stream, OPS_FOR_MODELS, e);
	if (ops == NULL)
		return false;
	struct gather *const gather = diagnose_begin(&file, &stream);
	if (gather == NULL)
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	const struct trace_listener second = {.step = ops_build_step, .arg = ops};
	const struct trace_listener first = {.step = diagnose_step, .arg = gather, .next = &second};
	const bool fine = trace_stream_read(&stream, &first, e) &&
	    diagnose_end(gather, d, e) && ops_build_end(ops, &r->ops, e);
	trace_stream_close(&stream);
	trace_file_close(&file);
	return fine;
}

void tune_recording_diagnose(struct tune_recording *r, const char *path, struct diagnosis *d)
{
	struct trace_error e;

	*r = (struct tune_recording){.path = path, .name = tail(path, 1)};
	read_recorded_on(r);
	if (!read_and_diagnose(r, d, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	refuse_empty(r);
	replay_caveats(path, &r->ops, true);
	r->busy_ns = busy_ns(&r->ops);
}

void tune_recordings_open(struct tune_recording *rec, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++)
		open_recording(&rec[i], paths[i]);
	for (size_t i = 0; i < count; i++) /* two of one name get their directories as well */
		for (size_t k = 0; k < count; k++)
			if (k != i && strcmp(tail(paths[k], 1), tail(paths[i], 1)) == 0)
				rec[i].name = tail(paths[i], 2);
}

size_t tune_searched(size_t count)
{
	return (count + 1) / 2;
}

bool tune_can(const struct dmm_system *sys)
{
	if (sys == &system_slab)
		return true;
	for (size_t i = 0; i < TUNABLES; i++)
		if ((sys->options & tunables[i].option) != 0 &&
		    tunables[i].option != DMM_OPT_GROW_MIN)
			return true;
	return false;
}

double tune_figure_by(const struct tune_figure *f, enum tune_by by)
{
	return by == TUNE_BY_MEAN ? f->mean : by == TUNE_BY_PEAK ? (double)f->peak : (double)f->end;
}

/* The run's nanoseconds. A recording without times counts as a run that spends RUN_SHARE of its
 * time in that many steps. */
static double run_ns(const struct tune_recording *rec, double steps)
{
	return rec->busy_ns > 0 ? rec->busy_ns : steps / RUN_SHARE;
}

static double longer(
    const struct tune_figure *own, const struct tune_figure *set, const struct tune_recording *rec)
{
	return (set->steps - own->steps) / run_ns(rec, own->steps);
}

/* By how much the run on the design as it comes is shorter than on the malloc that the program had.
 */
static double head_start(
    const struct dmm_system *sys, const struct tune_figure *own, const struct tune_recording *rec)
{
	if (sys != &system_slab || !rec->glibc)
		return 0;
	return CALL_SAVES_NS * (double)rec->ops.head->calls / run_ns(rec, own->steps);
}

double tune_longer(const struct tuned *t, const struct tune_recording *rec, size_t i)
{
	return longer(&t->own[i], &t->set[i], &rec[i]);
}

/* One replay.  False: these settings cannot be together, no model can replay them, or the model ran
 * out of memory. */
static bool measure(struct tune_figure *f, const struct dmm_system *sys, const char *conf,
    const struct tune_recording *rec)
{
	struct subject subject;
	struct model_result r;
	char why[256];

	if (!subject_make(&subject, sys, conf, why, sizeof why) ||
	    !subject_simulable(&subject, why, sizeof why))
		return false;
	if (!model_memory(&r, &rec->ops, &subject, 0, NULL))
		lab_die(EXIT_OURS, "%s: no memory", rec->path);
	*f = (struct tune_figure){r.mean, r.peak.footprint, r.end, r.steps};
	return r.problem[0] == '\0';
}

struct search {
	const struct dmm_system *sys;
	const struct tune_recording *rec;
	const struct tune_order *order;
	const struct tune_figure *own; /* of each that is searched */
	size_t tried;
	double calls; /* replayed */
	bool cut_short;
};

static void tell_progress(struct search *s)
{
	progress_label("%s: %zu sets of settings tried", s->sys->name, s->tried++);
	progress_share(s->calls / calls_most);
}

/* The score of one recording: the memory saved, less the time added. Time saved counts for nothing:
 * it must not pay for more memory. */
static bool score_one(const struct search *s, const char *conf, size_t i, double *out)
{
	const struct tune_order *const o = s->order;
	const struct tune_figure *const own = &s->own[i];
	struct tune_figure f;

	if (!measure(&f, s->sys, conf, &s->rec[i]))
		return false;
	const double more = o->slower < 0 ? 0 : fmax(0, longer(own, &f, &s->rec[i]));
	*out = tune_figure_by(own, o->by) / fmax(tune_figure_by(&f, o->by), 1) / (1 + more);
	return (o->slower < 0 || more <= o->slower + head_start(s->sys, own, &s->rec[i])) &&
	       (o->by == TUNE_BY_PEAK || (double)f.peak <= PEAK_MOST * (double)own->peak);
}

/* The geometric mean over what is searched. */
static bool score(void *arg, const char *conf, double *out)
{
	struct search *const s = arg;
	double product = 1, one;

	s->cut_short = s->cut_short || s->calls > calls_most;
	if (s->cut_short)
		return false;
	tell_progress(s);
	*out = 1;
	if (conf[0] == '\0') /* what the others are compared with, whatever a second run takes */
		return true;
	for (size_t i = 0; i < s->order->searched; i++) {
		s->calls += (double)s->rec[i].ops.head->calls;
		if (!score_one(s, conf, i, &one))
			return false;
		product *= one;
	}
	*out = pow(product, 1 / (double)s->order->searched);
	return true;
}

/* Many climbs find more than one; on a long recording one has to do. */
static uint32_t starts(const struct tune_recording *rec)
{
	return rec->ops.head->calls <= SEVERAL_CLIMBS ? DMM_OPT_FIT | DMM_OPT_RUNS : 0;
}

static void search(
    struct tuned *t, const struct tune_recording *rec, const struct tune_order *order)
{
	const bool slab = t->sys == &system_slab;
	struct search s = {.sys = t->sys,
	    .rec = rec,
	    .order = order,
	    .own = t->own};
	const struct ascent a = {.sys = t->sys,
	    .technique = slab ? slab_tunables : tunables,
	    .count = slab ? SLAB_TUNABLES : TUNABLES,
	    .starts = slab ? 0 : starts(rec),
	    .also = slab ? slab_tight : NULL,
	    .gain = GAIN,
	    .score = score,
	    .arg = &s};

	progress_begin("%s: looking for settings", t->sys->name);
	ascent_climb(&a, &t->found);
	progress_end();
	t->cut_short = s.cut_short;
	t->found.tried = s.tried; /* without those that were left out at the end */
}

void tune_search(struct tuned *t, const struct dmm_system *sys, const struct tune_recording *rec,
    size_t count, const struct tune_order *order)
{
	*t = (struct tuned){.sys = sys};
	for (size_t i = 0; i < count; i++)
		if (!measure(&t->own[i], sys, "", &rec[i]))
			lab_die(EXIT_FAULT,
			    "%s: %s, as it comes, runs out of simulated memory or mappings",
			    rec[i].path, sys->name);
	search(t, rec, order);
	for (size_t i = 0; i < count; i++)
		if (t->found.conf[0] == '\0')
			t->set[i] = t->own[i];
		else if (!measure(&t->set[i], sys, t->found.conf, &rec[i]))
			lab_die(EXIT_FAULT, "%s: %s runs out of simulated memory or mappings",
			    rec[i].path, sys->name);
}

/* ---- the best of several --------------------------------------------------------------------- */

static double all_by(const struct tuned *t, const struct tune_order *order)
{
	double product = 1;

	for (size_t i = 0; i < order->searched; i++)
		product *= tune_figure_by(&t->set[i], order->by);
	return product;
}

static bool fits_threads(const struct tuned *t, const struct tune_recording *rec)
{
	return rec->ops.head->threads <= 1 || (t->sys->traits & DMM_THREADS) != 0;
}

const struct tuned *tune_best(const struct tuned *all, size_t count,
    const struct tune_recording *rec, const struct tune_order *order)
{
	const struct tuned *best = &all[0];

	for (size_t i = 1; i < count; i++) {
		const bool fits = fits_threads(&all[i], rec), fitted = fits_threads(best, rec);
		if (fits != fitted ? fits : all_by(&all[i], order) < all_by(best, order))
			best = &all[i];
	}
	return best;
}
