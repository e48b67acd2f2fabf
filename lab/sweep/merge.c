/* merge.c - cells of time, put together to one table of each recording and its options.
 *
 * A cell has glibc twice and an allocator, once each, on one host at one time: its ratios are
 * paired. Here each figure becomes its ratio to the glibc of its own cell times the median of all
 * glibcs, so that cells of different hosts can stand in one table; ratios and intervals are then
 * dmm compare's.
 */
#include "sweep/merge_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static struct allocator *new_allocator(const struct merge_row *r)
{
	struct allocator *const a = calloc(1, sizeof *a);

	CHECK(a != NULL);
	a->name = strdup(r->name);
	a->kind = strcmp(r->kind, "baseline") == 0 ? KIND_BASELINE
	    : strcmp(r->kind, "system") == 0       ? KIND_SYSTEM
	                                           : KIND_PEER;
	a->path = r->path[0] != '\0' ? strdup(r->path) : NULL;
	snprintf(a->build_id, sizeof a->build_id, "%s", r->build_id);
	return a;
}

static struct row *row_named(struct native *n, const struct merge_row *r, size_t cells)
{
	struct compare *const c = &n->compare;

	for (size_t i = 0; i < c->rows; i++)
		if (strcmp(c->row[i].allocator->name, r->name) == 0)
			return &c->row[i];
	if (c->rows == ROWS_MAX)
		return NULL;
	struct row *const row = &c->row[c->rows++];
	*row = (struct row){.allocator = new_allocator(r), .outcome = OUTCOME_FINE,
	    .run = calloc(cells, sizeof *row->run)};
	CHECK(row->run != NULL);
	return row;
}

static enum outcome outcome_of(const char *word)
{
	static const char *const words[] = {"not-loaded", "crashed", "not-served", "differs",
	    "timeout"};

	for (int i = 0; i < 5; i++)
		if (strcmp(words[i], word) == 0)
			return (enum outcome)i;
	return OUTCOME_FINE;
}

static void add_run(struct native *n, struct row *row, const struct merge_row *r,
    const struct merge_row *own, const struct merge_row *typical)
{
	struct native_row *const mine = &n->row[row - n->compare.row];
	struct run *const run = &row->run[row->rounds++];
	const bool fine = isfinite(r->wall_s) && isfinite(own->wall_s) && own->wall_s > 0 &&
	    own->peak_rss > 0 && (strcmp(r->outcome, "fine") == 0 || r->outcome[0] == '\0');

	*run = (struct run){.ending = fine ? ENDING_EXIT : ENDING_SIGNAL, .with = r->loaded == 1};
	if (fine) {
		run->wall_s = r->wall_s / own->wall_s * typical->wall_s;
		run->cpu_s = own->cpu_s > 0 ? r->cpu_s / own->cpu_s * typical->cpu_s : r->cpu_s;
		run->peak_rss = (size_t)(r->peak_rss / own->peak_rss * typical->peak_rss);
		run->faults = (uint64_t)fmax(r->faults, 0);
	}
	if (outcome_of(r->outcome) < row->outcome) {
		row->outcome = outcome_of(r->outcome);
		snprintf(row->why, sizeof row->why, "%s", r->why);
	}
	row->proof.verdict = r->loaded == 1 ? PROOF_LOADED : r->loaded == 0 ? PROOF_NOT_LOADED
	    : PROOF_UNKNOWN;
	mine->failed += (uint64_t)fmax(r->failed, 0);
}

static double median_of(double *v, size_t n)
{
	return stats_summary(v, n < STATS_RUNS_MAX ? n : STATS_RUNS_MAX).median;
}

/* The median of a figure over the glibcs of all cells. */
#define TYPICAL(field)                                                                             \
	for (size_t i = count = 0; i < n && count < STATS_RUNS_MAX; i++)                           \
		if (isfinite(cells[i]->row[0].field))                                              \
			v[count++] = cells[i]->row[0].field;                                       \
	typical.field = count != 0 ? median_of(v, count) : NAN

static struct merge_row typical_of(const struct merge_cell *const *cells, size_t n)
{
	static double v[STATS_RUNS_MAX];
	struct merge_row typical = {0};
	size_t count;

	TYPICAL(wall_s);
	TYPICAL(cpu_s);
	TYPICAL(peak_rss);
	return typical;
}

/* Latencies as medians over cells: histograms of different clocks do not add up. */
static void add_latency(struct native *n, const struct row *row,
    const struct merge_cell *const *cells,
    size_t count)
{
	struct native_row *const mine = &n->row[row - n->compare.row];
	static double v[MERGE_QUANTILES + 1][STATS_RUNS_MAX];
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < cells[i]->rows && found < STATS_RUNS_MAX; k++) {
			const struct merge_row *const r = &cells[i]->row[k];
			if (strcmp(r->name, row->allocator->name) != 0 || !isfinite(r->longest_ns))
				continue;
			for (int q = 0; q < MERGE_QUANTILES; q++)
				v[q][found] = r->latency_ns[q];
			v[MERGE_QUANTILES][found++] = r->longest_ns;
		}
	if (found == 0)
		return;
	mine->merged = n->latency = true;
	for (int q = 0; q < MERGE_QUANTILES; q++)
		mine->merged_ns[q] = median_of(v[q], found);
	mine->merged_longest_ns = median_of(v[MERGE_QUANTILES], found);
}

static void set_head(struct native *n, struct replay_ops *ops, struct replay_head *head,
    const struct merge_cell *const *cells, size_t count)
{
	const struct merge_cell *const c = cells[0];
	struct provenance *const p = &n->compare.provenance;

	*head = (struct replay_head){.calls = (uint64_t)fmax(c->calls, 0),
	    .threads = (uint64_t)fmax(c->threads, 0),
	    .peak_payload = (uint64_t)fmax(c->lower_bound, 0)};
	ops->head = head;
	n->ops = ops;
	n->path = c->recording;
	n->touch = strcmp(c->touch, "first") == 0 ? TOUCH_FIRST
	    : strcmp(c->touch, "none") == 0       ? TOUCH_NONE
	                                          : TOUCH_ALL;
	n->compare.huge_pages = strcmp(c->thp, "off") == 0 ? HUGE_OFF : HUGE_AS_IS;
	snprintf(p->cpu, sizeof p->cpu, "%s", c->cpu);
	snprintf(p->kernel, sizeof p->kernel, "%s", c->kernel);
	snprintf(p->libc, sizeof p->libc, "%s", c->libc);
	snprintf(p->huge_pages, sizeof p->huge_pages, "%s", c->huge_pages);
	snprintf(p->date, sizeof p->date, "%s", c->date);
	p->cpus = c->cpus;
	for (size_t i = 1; i < count; i++)
		if (strcmp(cells[i]->cpu, c->cpu) != 0 || strcmp(cells[i]->kernel, c->kernel) != 0)
			snprintf(p->cpu, sizeof p->cpu, "%.60s and others", c->cpu);
}

bool merge_time(struct native *n, struct replay_ops *ops, struct replay_head *head,
    const struct merge_cell *const *cells, size_t count)
{
	const struct merge_row typical = typical_of(cells, count);
	struct compare *const c = &n->compare;

	*n = (struct native){.result_fd = -1};
	set_head(n, ops, head, cells, count);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < cells[i]->rows; k++) {
			struct row *const row = row_named(n, &cells[i]->row[k], count);
			if (row == NULL)
				return false;
			row->no_huge_pages = c->huge_pages == HUGE_OFF;
			add_run(n, row, &cells[i]->row[k], &cells[i]->row[0], &typical);
		}
	for (size_t i = 0; i < c->rows; i++) {
		add_latency(n, &c->row[i], cells, count);
		if (i >= 2 && c->row[i].rounds > c->runs)
			c->runs = c->row[i].rounds;
	}
	verdict_digest(c);
	/* it ran in every cell, and is no better known to a verdict for it */
	c->row[0].good = c->runs;
	n->merged = true;
	return true;
}

void merge_model(struct model_result *result, struct subject *subject, const struct merge_cell *c)
{
	const struct merge_row *const r = &c->row[0];

	*subject = (struct subject){0};
	snprintf(subject->name, sizeof subject->name, "%.*s", (int)sizeof subject->name - 1,
	    r->name);
	*result = (struct model_result){.subject = subject, .calls = (uint64_t)fmax(c->calls, 0),
	    .peak_payload = (uint64_t)fmax(c->lower_bound, 0)};
	snprintf(result->problem, sizeof result->problem, "%.*s", (int)sizeof result->problem - 1,
	    r->problem);
	result->peak.footprint = (uint64_t)fmax(r->footprint, 0);
	result->peak.live_count = (uint64_t)fmax(r->live_objects, 0);
	result->peak.events = (uint64_t)fmax(r->peak_events, 0);
	result->peak.ns = (uint64_t)fmax(r->peak_ns, 0);
	result->mean = fmax(r->mean, 0);
	result->end = (uint64_t)fmax(r->end, 0);
	for (int i = 0; i < PARTS; i++)
		result->peak.part[i] = (uint64_t)fmax(r->part[i], 0);
}
