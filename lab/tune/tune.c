/* tune.c - what a set of settings is worth on a recording, and the search for the best. */
#include "tune/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/lab.h"
#include "run/launch.h"
#include "system/policy/params.h"

static const double GAIN = 1.002; /* less is not worth another setting */

enum {
	REPEAT = 3,                /* runs, where time decides */
	SEVERAL_CLIMBS = 4000000, /* calls at most: five hundred replays then take minutes */
};

/* The last `parts` parts of a path. */
static const char *tail(const char *path, int parts)
{
	const char *at = path + strlen(path);

	while (at > path && (at[-1] != '/' || --parts > 0))
		at--;
	return at;
}

static void open_recording(struct tune_recording *r, const char *path)
{
	struct trace_error e;

	*r = (struct tune_recording){.path = path, .name = tail(path, 1)};
	if (!replay_ops_build(&r->ops, path, &e))
		lab_die(EXIT_FAULT, "%s: %s", path, e.text);
	if (r->ops.head->calls == 0 || r->ops.head->peak_payload == 0)
		lab_die(EXIT_FAULT, "%s: nothing is allocated in it; dmm info tells why", path);
}

void tune_recordings_open(struct tune_recording *rec, const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++)
		open_recording(&rec[i], paths[i]);
	for (size_t i = 0; i < count; i++) /* two of one name are told apart by their directories */
		for (size_t k = 0; k < count; k++)
			if (k != i && strcmp(tail(paths[k], 1), tail(paths[i], 1)) == 0)
				rec[i].name = tail(paths[i], 2);
}

bool tune_can(const struct dmm_system *sys)
{
	for (size_t i = 0; i < TUNABLES; i++)
		if ((sys->options & tunables[i].option) != 0 && tunables[i].option != DMM_OPT_GROW_MIN)
			return true;
	return false;
}

/* Half of mmap, the first touch and munmap of one page, at best. */
static double system_call_ns(void)
{
	static double least;

	for (int i = 0; i < 200 && (least == 0 || i > 0); i++) {
		const double began = launch_now();
		char *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (page == MAP_FAILED)
			break;
		*(volatile char *)page = 1;
		munmap(page, 4096);
		const double ns = (launch_now() - began) * 1e9 / 2;
		least = least == 0 || ns < least ? ns : least;
	}
	return least;
}

double tune_ns(const struct model_result *r)
{
	const double own = r->seconds * 1e9 + (double)r->os_calls * system_call_ns();
	return r->calls != 0 ? own / (double)r->calls : 0;
}

bool tune_measure(struct tune_figure *f, const struct dmm_system *sys, const char *conf,
    const struct tune_recording *rec)
{
	struct subject subject = {.sys = sys, .params = sys->defaults};
	struct conf_error e;
	struct model_result r;

	if (!params_parse(&subject.params, sys, conf, &e))
		return false;
	snprintf(subject.name, sizeof subject.name, "%s", sys->name);
	if (!model_memory(&r, &rec->ops, &subject, 0))
		lab_die(EXIT_OURS, "%s: no memory", rec->path);
	*f = (struct tune_figure){r.peak.footprint, tune_ns(&r)};
	return r.problem[0] == '\0';
}

/* The same with the least time of REPEAT runs. */
static bool measure_well(struct tune_figure *f, const struct dmm_system *sys, const char *conf,
    const struct tune_recording *rec)
{
	struct tune_figure again;

	if (!tune_measure(f, sys, conf, rec))
		return false;
	for (int i = 1; i < REPEAT; i++)
		if (tune_measure(&again, sys, conf, rec) && again.ns < f->ns)
			f->ns = again.ns;
	return true;
}

struct search {
	const struct dmm_system *sys;
	const struct tune_recording *rec;
	double ns_own, slower; /* of the design as it comes; how much slower at most, < 0: any */
	size_t tried;
	bool terminal;
};

static void tell_progress(struct search *s)
{
	s->tried++;
	if (s->terminal)
		fprintf(stderr, "\r%s: %zu sets of settings tried ", s->sys->name, s->tried);
}

/* How many tenths longer calls take than as it comes, to the nearest; never less than none. */
static double tenths_slower(const struct search *s, double ns)
{
	const double tenths = round(10 * (ns / s->ns_own - 1));
	return tenths > 0 ? tenths : 0;
}

static bool score(void *arg, const char *conf, double *out)
{
	struct search *const s = arg;
	struct tune_figure f;

	tell_progress(s);
	if (!tune_measure(&f, s->sys, conf, s->rec))
		return false;
	*out = (double)s->rec->ops.head->peak_payload / (double)f.peak;
	if (s->slower < 0 || conf[0] == '\0' || tenths_slower(s, f.ns) <= 0)
		return true;
	measure_well(&f, s->sys, conf, s->rec); /* was it the machine? */
	*out /= 1 + 0.01 * tenths_slower(s, f.ns);
	return f.ns <= s->ns_own * (1 + s->slower);
}

/* Many climbs find more than one; on a long recording one has to do. */
static uint32_t starts(const struct tune_recording *rec)
{
	return rec->ops.head->calls <= SEVERAL_CLIMBS ? DMM_OPT_FIT | DMM_OPT_RUNS : 0;
}

static void search(struct tuned *t, const struct tune_recording *rec, double slower)
{
	struct search s = {.sys = t->sys, .rec = rec, .slower = slower,
	    .terminal = isatty(STDERR_FILENO) != 0};
	const struct ascent a = {t->sys, tunables, TUNABLES, starts(rec), GAIN, score, &s};

	if (!measure_well(&t->own[0], t->sys, "", rec))
		lab_die(EXIT_FAULT, "%s: %s, as it comes, runs out of simulated memory or mappings", rec->path,
		    t->sys->name);
	s.ns_own = t->own[0].ns;
	ascent_climb(&a, &t->found);
	t->score = t->found.score;
	if (s.terminal)
		fputs("\r\033[K", stderr);
}

void tune_search(struct tuned *t, const struct dmm_system *sys, const struct tune_recording *rec,
    size_t count, double slower)
{
	*t = (struct tuned){.sys = sys};
	search(t, &rec[0], slower);
	for (size_t i = 0; i < count; i++)
		if (!measure_well(&t->own[i], sys, "", &rec[i]) ||
		    !measure_well(&t->set[i], sys, t->found.conf, &rec[i]))
			lab_die(EXIT_FAULT, "%s: %s runs out of simulated memory or mappings", rec[i].path,
			    sys->name);
}
