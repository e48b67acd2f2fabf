/* native.c - starts replayers in rounds, and keeps their results. */
#include "replay/native.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "allocators/allocators.h"
#include "base/assert.h"
#include "cli/lab.h"
#include "cli/progress.h"

static void open_result(struct native *n)
{
	n->result_fd = memfd_create("dmm-replay", 0); /* children inherit it */
	if (n->result_fd < 0 || ftruncate(n->result_fd, sizeof *n->result) != 0)
		lab_die(EXIT_OURS, "no room for results: %s", strerror(errno));
	n->result = mmap(NULL, sizeof *n->result, PROT_READ | PROT_WRITE, MAP_SHARED, n->result_fd,
	    0);
	if (n->result == MAP_FAILED)
		lab_die(EXIT_OURS, "no room for results: %s", strerror(errno));
}

static void set_command(struct native *n)
{
	char *const path = allocator_file("dmm-replayer");

	if (path == NULL)
		lab_die(EXIT_OURS, "dmm-replayer is neither beside dmm nor in ../lib/dmm: "
		                   "install both");
	snprintf(n->word[2], sizeof n->word[2], "%d", n->touch);
	snprintf(n->word[3], sizeof n->word[3], "%d", n->ops->fd);
	snprintf(n->word[4], sizeof n->word[4], "%d", n->result_fd);
	n->argv[0] = path;
	for (int i = 1; i < 5; i++)
		n->argv[i] = n->word[i];
	n->compare.command = n->argv;
}

/* ---- around each run ------------------------------------------------------------------------- */

static void before_run(struct compare *c, const struct row *row)
{
	struct native *const n = (struct native *)c;

	(void)row;
	memset(n->result, 0, sizeof *n->result);
	n->result->magic = REPLAY_MAGIC;
	n->result->own_bytes = n->own_bytes;
	n->result->speed = n->pace;
	snprintf(n->word[1], sizeof n->word[1], "%d", n->mode);
}

static void keep_latency(struct native_row *row, const struct replay_result *r)
{
	if (row->hist == NULL)
		row->hist = calloc(REPLAY_KINDS, sizeof *row->hist);
	CHECK(row->hist != NULL);
	for (int k = 0; k < REPLAY_KINDS; k++) {
		for (size_t i = 0; i < HIST_BUCKETS; i++)
			row->hist[k][i] += r->hist[k][i];
		if (r->longest[k] > row->longest[k])
			row->longest[k] = r->longest[k];
	}
	row->ns_per_tick = r->ns_per_tick;
}

static void keep_samples(struct native_row *row, const struct replay_result *r)
{
	const size_t len = r->sample_count * sizeof *row->sample;

	free(row->sample);
	row->sample = malloc(len + 1);
	CHECK(row->sample != NULL);
	memcpy(row->sample, r->sample, len);
	row->samples = r->sample_count;
}

static void keep_pace(struct native_row *row, const struct replay_result *r)
{
	row->paced = true;
	row->paced_peak = r->peak_rss;
	row->paced_mean = r->paced_mean;
	row->paced_end = r->paced_end;
	row->behind_s = (double)r->behind_ns * 1e-9;
}

static void after_run(struct compare *c, const struct row *row, struct run *run)
{
	struct native *const n = (struct native *)c;
	struct native_row *const mine = &n->row[row - c->row];
	const struct replay_result *const r = n->result;

	if (run->ending != ENDING_EXIT || run->code != 0 || !r->done)
		return;
	if (n->own_bytes == 0) /* glibc, which has nothing before the first call */
		n->own_bytes = r->start_bytes;
	run->wall_s = (double)r->wall_ns * 1e-9;
	run->cpu_s = (double)r->cpu_ns * 1e-9;
	run->peak_rss = run->tree_rss = r->peak_rss;
	/* of the replayer's own memory too: no figures of the recording */
	run->mean_rss = run->end_rss = 0;
	run->faults = r->faults;
	mine->failed = r->failed;
	mine->glibc_heap_max = r->glibc_heap_max;
	mine->glibc_mmap_max = r->glibc_mmap_max;
	memcpy(mine->provider, r->provider, sizeof mine->provider);
	mine->provider[sizeof mine->provider - 1] = '\0';
	if (n->mode == REPLAY_LATENCY)
		keep_latency(mine, r);
	if (n->mode == REPLAY_MEMORY)
		keep_samples(mine, r);
	if (n->mode == REPLAY_PACE)
		keep_pace(mine, r);
}

static bool again(struct compare *c, struct run *run)
{
	struct native *const n = (struct native *)c;
	double sum = 0;

	if (n->mode != REPLAY_TIME || run->ending != ENDING_EXIT || run->code != 0) {
		n->parts = 0;
		return false;
	}
	n->wall_s[n->parts] = run->wall_s;
	n->cpu_s[n->parts++] = run->cpu_s;
	for (size_t i = 0; i < n->parts; i++)
		sum += n->wall_s[i];
	if (sum < SHORT_S && n->parts < SHORT_RUNS)
		return true;
	run->wall_s = stats_summary(n->wall_s, n->parts).median;
	run->cpu_s = stats_summary(n->cpu_s, n->parts).median;
	n->parts = 0;
	return false;
}

/* By memory on average or at the end: only a replay at the recorded pace has these. */
static bool paced_rounds(const struct native *n)
{
	return n->compare.by == BY_MEAN || n->compare.by == BY_END;
}

/* A paced run that came to its end gives the run of that round its memory. */
static void keep_round(const struct native *n, struct row *row, size_t round, const struct run *run)
{
	if (n->mode != REPLAY_PACE || !paced_rounds(n) || run->ending != ENDING_EXIT ||
	    run->code != 0 || !n->result->done || round >= row->rounds)
		return;
	row->run[round].mean_rss = n->result->paced_mean;
	row->run[round].end_rss = n->result->paced_end;
}

static void extra_runs(struct native *n, enum replay_mode mode, size_t runs)
{
	static const char *const words[] = {[REPLAY_LATENCY] = "timing each call",
	    [REPLAY_MEMORY] = "looking at memory",
	    [REPLAY_PACE] = "replaying at the recorded pace"};
	struct compare *const c = &n->compare;
	struct run run;

	n->mode = mode;
	progress_begin("%s", words[mode]);
	for (size_t k = 0; k < runs; k++)
		for (size_t i = 0; i < c->rows && !measure_interrupted(); i++) {
			struct row *const row = &c->row[(i + k) % c->rows];
			if (row->outcome == OUTCOME_FINE && row->good > 0) {
				compare_run_extra(c, row, &run);
				keep_round(n, row, k, &run);
			}
			progress_share((double)(k * c->rows + i + 1) / (double)(runs * c->rows));
		}
	progress_end();
}

/* It takes as long as the recording says, and what the calls take beyond that. */
static void paced_run(struct native *n)
{
	struct compare *const c = &n->compare;
	const double timeout_s = c->timeout_s;

	c->timeout_s += (double)replay_ops_ns(n->ops, n->ops->head->count) * 1e-9 / n->pace;
	extra_runs(n, REPLAY_PACE, paced_rounds(n) ? c->runs : 1);
	c->timeout_s = timeout_s;
	verdict_digest(c);
}

void native_run(struct native *n)
{
	struct compare *const c = &n->compare;

	open_result(n);
	set_command(n);
	c->before_run = before_run;
	c->after_run = after_run;
	c->again = again;
	n->mode = REPLAY_TIME;
	compare_run(c);
	if (n->latency)
		extra_runs(n, REPLAY_LATENCY, c->runs < LATENCY_RUNS ? c->runs : LATENCY_RUNS);
	if (n->memory)
		extra_runs(n, REPLAY_MEMORY, 1);
	if (n->pace > 0)
		paced_run(n);
}

const struct native_quantile native_quantiles[NATIVE_QUANTILES] = {{0.5, "p50"}, {0.9, "p90"},
    {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}};

/* ---- figures --------------------------------------------------------------------------------- */

uint64_t native_count(const struct native_row *row, unsigned kind)
{
	uint64_t all = 0;

	for (unsigned k = 0; row->hist != NULL && k < REPLAY_KINDS; k++)
		for (size_t i = 0; (kind == k || kind == REPLAY_KINDS) && i < HIST_BUCKETS; i++)
			all += row->hist[k][i];
	return all;
}

double native_longest(const struct native_row *row, unsigned kind)
{
	uint64_t longest = 0;

	if (row->merged && kind == REPLAY_KINDS)
		return row->merged_longest_ns;
	if (native_count(row, kind) == 0)
		return NAN;
	for (unsigned k = 0; k < REPLAY_KINDS; k++)
		if ((kind == k || kind == REPLAY_KINDS) && row->longest[k] > longest)
			longest = row->longest[k];
	return (double)longest * row->ns_per_tick;
}

double native_latency(const struct native_row *row, unsigned kind, double q)
{
	const uint64_t all = native_count(row, kind);
	const double wanted = ceil(q * (double)all);
	double seen = 0;

	for (int i = 0; row->merged && kind == REPLAY_KINDS && i < NATIVE_QUANTILES; i++)
		if (native_quantiles[i].q == q)
			return row->merged_ns[i];
	if (all == 0)
		return NAN;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		for (unsigned k = 0; k < REPLAY_KINDS; k++)
			seen += kind == k || kind == REPLAY_KINDS ? (double)row->hist[k][i] : 0;
		if (seen >= wanted && seen > 0)
			return fmin(hist_value(i) * row->ns_per_tick, native_longest(row, kind));
	}
	return native_longest(row, kind);
}

double native_ops_per_s(const struct native *n, const struct row *row)
{
	return row->good > 0 ? (double)n->ops->head->calls / row->is[FIGURE_WALL].median : NAN;
}
