/* native_print.c - a native replay for people, as CSV and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "replay/native.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/units.h"
#include "cli/plain.h"

static const char *const touch_words[] = {"all", "first", "none"};
static const char *const outcomes[] = {"not-loaded", "crashed", "not-served", "differs", "timeout",
    "fine", "not-run"};

static const double BEHIND_SHARE = 0.05; /* of the recording's time */

/* ---- text ------------------------------------------------------------------------------------ */

static void put_ns(struct table *t, double ns)
{
	if (isnan(ns))
		table_cell(t, "%s", "");
	else if (ns < 9995)
		table_cell(t, "%.0f ns", ns);
	else if (ns < 9.995e6)
		table_cell(t, "%.*f us", ns < 99950 ? 1 : 0, ns * 1e-3);
	else
		table_cell(t, "%.1f ms", ns * 1e-6);
}

static void put_ratio(struct table *t, const struct interval *ratio, double noise)
{
	const bool differs = verdict_differs(ratio, noise);

	if (isnan(ratio->median))
		table_cell(t, "%s", "");
	else
		table_paint(t,
		    !differs            ? PAINT_PLAIN
		    : ratio->median < 1 ? PAINT_GOOD
		                        : PAINT_BAD,
		    "%.2f", ratio->median);
}

static void put_interval(struct table *t, const struct interval *ratio)
{
	if (isnan(ratio->median) || ratio->coverage == 0)
		table_cell(t, "%s", "");
	else
		table_paint(t, PAINT_DIM, "%.2f-%.2f", ratio->low, ratio->high);
}

static void put_row(struct table *t, const struct native *n, const struct row *row)
{
	static const char *const word[] = {
	    "not loaded", "crashed", "no service", "differs", "too slow", "", "not run"};
	const struct native_row *const mine = &n->row[row - n->compare.row];
	const enum figure time = verdict_time(&n->compare);
	char text[UNITS_LEN];

	table_cell(t, "%s", row->allocator->name);
	if (row->good > 0) {
		table_cell(t, "%s", units_count(text, native_ops_per_s(n, row)));
		put_ratio(t, &row->ratio[time], verdict_noise(&n->compare, row, time));
		put_interval(t, &row->ratio[time]);
		for (int i = 0; i < NATIVE_QUANTILES && n->latency; i++)
			if (native_quantiles[i].q != 0.9)
				put_ns(t,
				    native_latency(mine, REPLAY_KINDS, native_quantiles[i].q));
		if (n->latency)
			put_ns(t, native_longest(mine, REPLAY_KINDS));
		table_cell(t, "%s", units_bytes(text, row->is[FIGURE_PEAK].median));
		put_ratio(t, &row->ratio[FIGURE_PEAK],
		    verdict_noise(&n->compare, row, FIGURE_PEAK));
	}
	while (t->cells % t->columns != t->columns - 1)
		table_cell(t, "%s", "");
	if (row->outcome != OUTCOME_FINE)
		table_paint(t, PAINT_BAD, "%s", word[row->outcome]);
	else if (mine->failed != 0)
		table_paint(t, PAINT_BAD, "%" PRIu64 " calls refused", mine->failed);
	else
		verdict_remark(&n->compare, row, t);
}

/* Below glibc's two rows: by how much they differ. */
static void put_noise(struct table *t, const struct native *n, const struct row *row)
{
	const struct compare *const c = &n->compare;

	table_paint(t, PAINT_DIM, "noise");
	table_cell(t, "%s", "");
	verdict_noise_cell(c, row, verdict_time(c), t);
	while (t->cells % t->columns != t->columns - 2)
		table_cell(t, "%s", "");
	verdict_noise_cell(c, row, FIGURE_PEAK, t);
	table_cell(t, "%s", "");
}

static double coverage_of(const struct native *n)
{
	for (size_t i = n->merged ? 2 : 0; i < n->compare.rows; i++) /* glibc is in every cell */
		if (n->compare.row[i].good == n->compare.runs)
			return n->compare.row[i].ratio[verdict_time(&n->compare)].coverage;
	return 0;
}

/* Without several runs there are no intervals; without times of calls, no latencies.  A narrow
 * screen leaves out the intervals first, and keeps the rarest latencies and the ratios. */
static void set_columns(const struct native *n, struct table *t, struct column *columns,
    const char *interval)
{
	static const struct column timed[] = {{"allocator", false}, {"calls/s", true},
	    {"time /glibc", true}, {"", true}, {"p50", true}, {"p99", true}, {"p99.9", true},
	    {"p99.99", true}, {"longest", true}, {"memory", true}, {"memory /glibc", true},
	    {"time, verdict", false}};
	enum { CALLS = 1, INTERVAL = 3, P50, P99, P99_9, P99_99 };
	const size_t cut = n->latency ? 0 : NATIVE_QUANTILES;

	memcpy(columns, timed, P50 * sizeof *timed);
	memcpy(columns + P50, timed + P50 + cut, sizeof timed - (P50 + cut) * sizeof *timed);
	if (coverage_of(n) > 0)
		columns[INTERVAL].title = interval;
	table_begin(t, columns, sizeof timed / sizeof *timed - cut);
	table_spare(t, INTERVAL, 1);
	if (n->latency) {
		table_spare(t, P99_99, 1);
		table_spare(t, P99, 1);
		table_spare(t, P50, 1);
		table_spare(t, CALLS, 1);
	}
}

static void print_verdict(const struct native *n, bool no_huge_pages, FILE *out)
{
	char *const verdict = verdict_text(&n->compare, no_huge_pages);
	const char *const runs = n->merged ? strstr(verdict, "--runs=") : NULL;

	if (runs != NULL) /* more of them are more cells */
		screen_words(out, 0, "%.*sdmm sweep --repeat=%s", (int)(runs - verdict), verdict,
		    runs + strlen("--runs="));
	else
		screen_text(out, 0, verdict);
	free(verdict);
}

static void print_part(const struct native *n, bool no_huge_pages, FILE *out)
{
	struct column columns[16];
	char interval[32];
	struct table t;

	snprintf(interval, sizeof interval, "%.0f %% interval",
	    fmin(round(coverage_of(n) * 100), 95));
	set_columns(n, &t, columns, interval);
	for (size_t i = 0; i < n->compare.rows; i++) {
		const struct row *const row = &n->compare.row[i];
		if (row->no_huge_pages != no_huge_pages)
			continue;
		put_row(&t, n, row);
		if (i == row->base + 1 && row->good > 1)
			put_noise(&t, n, row);
	}
	fprintf(out, "\n%shuge pages: %s%s%s\n\n", table_escape(out, PAINT_DIM),
	    no_huge_pages ? "off for all" : "as they are, ",
	    no_huge_pages ? "" : n->compare.provenance.huge_pages, table_escape(out, PAINT_PLAIN));
	table_text(&t, out);
	table_end(&t);
	fputc('\n', out);
	for (size_t i = 0; i < n->compare.rows; i++) {
		const struct row *const row = &n->compare.row[i];
		if (row->no_huge_pages == no_huge_pages && row->why[0] != '\0')
			screen_words(out, 0, "%s: %s", row->allocator->name, row->why);
	}
	print_verdict(n, no_huge_pages, out);
}

/* A replay that is late has idle times that are too short: the output says so. */
static void print_behind(const struct native *n, FILE *out)
{
	const double whole = (double)replay_ops_ns(n->ops, n->ops->head->count) * 1e-9 / n->pace;
	const struct native_row *most = &n->row[0];
	char late[UNITS_LEN];

	for (size_t i = 0; i < n->compare.rows; i++)
		if (n->row[i].behind_s > most->behind_s)
			most = &n->row[i];
	if (most->behind_s > BEHIND_SHARE * whole)
		screen_words(out, 0,
		    "%s fell behind the recording by up to %s: a lower --pace or a quiet "
		    "machine gives idle times their length",
		    n->compare.row[most - n->row].allocator->name,
		    units_seconds(late, most->behind_s));
}

/* Memory of a paced run; of several their median, and the ratio to glibc with its interval. */
static void put_paced_memory(struct table *t, const struct native *n, const struct row *row,
    enum figure figure, uint64_t bytes)
{
	const double median = row->is[figure].median;
	char text[UNITS_LEN];

	table_cell(t, "%s", units_bytes(text, isnan(median) ? (double)bytes : median));
	if (n->compare.by < BY_MEAN)
		return;
	put_ratio(t, &row->ratio[figure], verdict_noise(&n->compare, row, figure));
	put_interval(t, &row->ratio[figure]);
}

static void print_pace(const struct native *n, FILE *out)
{
	static const struct column one[] = {{"allocator", false}, {"peak", true},
	    {"on average", true}, {"at the end", true}};
	static const struct column several[] = {{"allocator", false}, {"peak", true},
	    {"on average", true}, {"average /glibc", true}, {"interval", true},
	    {"at the end", true}, {"end /glibc", true}, {"interval", true}};
	const double whole = (double)replay_ops_ns(n->ops, n->ops->head->count) * 1e-9;
	const bool many = n->compare.by >= BY_MEAN;
	char text[UNITS_LEN];
	struct table t;

	fputc('\n', out);
	screen_words(out, 0,
	    "memory at the recorded pace, idle times included: %zu run%s each of %s",
	    many ? n->compare.runs : 1, many && n->compare.runs != 1 ? "s" : "",
	    units_seconds(text, whole / n->pace));
	if (n->pace != 1)
		screen_words(out, 0,
		    "%g times as fast as recorded: idle times are shorter, so an allocator that "
		    "gives memory back after a delay does so later in the recording",
		    n->pace);
	table_begin(&t, many ? several : one,
	    many ? sizeof several / sizeof *several : sizeof one / sizeof *one);
	for (size_t i = 0; i < n->compare.rows; i++) {
		const struct native_row *const row = &n->row[i];
		if (!row->paced || i == n->compare.row[i].base + 1) /* glibc once is enough */
			continue;
		table_cell(&t, "%s", n->compare.row[i].allocator->name);
		table_cell(&t, "%s", units_bytes(text, (double)row->paced_peak));
		put_paced_memory(&t, n, &n->compare.row[i], FIGURE_MEAN, row->paced_mean);
		put_paced_memory(&t, n, &n->compare.row[i], FIGURE_END, row->paced_end);
	}
	table_text(&t, out);
	table_end(&t);
	print_behind(n, out);
}

void native_text(const struct native *n, FILE *out)
{
	const struct replay_head *const h = n->ops->head;
	const struct provenance *const p = &n->compare.provenance;
	char calls[UNITS_LEN], payload[UNITS_LEN];

	fputs(table_escape(out, PAINT_DIM), out);
	screen_words(out, 0, "%s: %s calls of %" PRIu64 " thread%s, peak payload %s; touched: %s",
	    plain(n->path), units_count(calls, (double)h->calls), h->threads,
	    h->threads == 1 ? "" : "s", units_bytes(payload, (double)h->peak_payload),
	    touch_words[n->touch]);
	screen_words(out, 0, "%zu %s%s each%s; %ld x %s, %s, %s", n->compare.runs,
	    n->merged ? "cell" : "run", n->compare.runs == 1 ? "" : "s",
	    n->merged ? ", glibc in each" : " in rotating order", p->cpus, p->cpu, p->kernel,
	    p->libc);
	fputs(table_escape(out, PAINT_PLAIN), out);
	if (n->compare.huge_pages != HUGE_OFF)
		print_part(n, false, out);
	if (n->compare.huge_pages != HUGE_AS_IS)
		print_part(n, true, out);
	if (n->pace > 0)
		print_pace(n, out);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void put_number(struct table *t, double x)
{
	if (isfinite(x))
		table_cell(t, "%.9g", x);
	else
		table_cell(t, "%s", "");
}

void native_csv_begin(struct table *t)
{
	static const struct column columns[] = {{"recording", 0}, {"name", 0}, {"kind", 0},
	    {"thp", 0}, {"outcome", 0}, {"runs", 0}, {"calls_per_s", 0}, {"wall_median_s", 0},
	    {"wall_ratio", 0}, {"wall_ratio_low", 0}, {"wall_ratio_high", 0}, {"cpu_median_s", 0},
	    {"p50_ns", 0}, {"p90_ns", 0}, {"p99_ns", 0}, {"p99.9_ns", 0}, {"p99.99_ns", 0},
	    {"longest_ns", 0}, {"peak_rss_median_bytes", 0}, {"peak_rss_ratio", 0},
	    {"failed_calls", 0}, {"why", 0}, {"paced_peak_bytes", 0}, {"paced_mean_bytes", 0},
	    {"paced_end_bytes", 0}};

	table_begin(t, columns, sizeof columns / sizeof *columns);
}

static void put_paced(struct table *t, const struct native_row *row, uint64_t bytes)
{
	put_number(t, row->paced ? (double)bytes : (double)NAN);
}

void native_csv_rows(const struct native *n, struct table *t)
{
	for (size_t i = 0; i < n->compare.rows; i++) {
		const struct row *const row = &n->compare.row[i];
		table_cell(t, "%s", n->path);
		table_cell(t, "%s", row->allocator->name);
		table_cell(t, "%s", allocator_kind(row->allocator));
		table_cell(t, "%s", row->no_huge_pages ? "off" : "as-is");
		table_cell(t, "%s", outcomes[row->outcome]);
		table_cell(t, "%zu", row->good);
		put_number(t, native_ops_per_s(n, row));
		put_number(t, row->is[FIGURE_WALL].median);
		put_number(t, row->ratio[FIGURE_WALL].median);
		put_number(t, row->ratio[FIGURE_WALL].low);
		put_number(t, row->ratio[FIGURE_WALL].high);
		put_number(t, row->is[FIGURE_CPU].median);
		for (int k = 0; k < NATIVE_QUANTILES; k++)
			put_number(t,
			    native_latency(&n->row[i], REPLAY_KINDS, native_quantiles[k].q));
		put_number(t, native_longest(&n->row[i], REPLAY_KINDS));
		put_number(t, row->is[FIGURE_PEAK].median);
		put_number(t, row->ratio[FIGURE_PEAK].median);
		table_cell(t, "%" PRIu64, n->row[i].failed);
		table_cell(t, "%s", row->why);
		put_paced(t, &n->row[i], n->row[i].paced_peak);
		put_paced(t, &n->row[i], n->row[i].paced_mean);
		put_paced(t, &n->row[i], n->row[i].paced_end);
	}
}

void native_over_time_csv(const struct native *n, FILE *out)
{
	static const struct column columns[] = {{"name", 0}, {"thp", 0}, {"calls", 0}, {"ns", 0},
	    {"payload_bytes", 0}, {"usable_bytes", 0}, {"rss_bytes", 0}};
	struct table t;

	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < n->compare.rows; i++)
		for (size_t k = 0; k < n->row[i].samples; k++) {
			const struct replay_sample *const s = &n->row[i].sample[k];
			table_cell(&t, "%s", n->compare.row[i].allocator->name);
			table_cell(&t, "%s", n->compare.row[i].no_huge_pages ? "off" : "as-is");
			table_cell(&t, "%" PRIu64, replay_ops_calls(n->ops, s->at));
			table_cell(&t, "%" PRIu64, replay_ops_ns(n->ops, s->at));
			table_cell(&t, "%" PRIu64, s->payload);
			table_cell(&t, "%" PRIu64, s->usable);
			table_cell(&t, "%" PRIu64, s->rss);
		}
	table_csv(&t, out);
	table_end(&t);
}

/* ---- over time ------------------------------------------------------------------------------- */

/* The row's last sample at or before op `at`; NULL: none. */
static const struct replay_sample *sample_at(const struct native_row *row, uint64_t at)
{
	const struct replay_sample *found = NULL;

	for (size_t k = 0; k < row->samples && row->sample[k].at <= at; k++)
		found = &row->sample[k];
	return found;
}

void native_over_time_text(const struct native *n, size_t steps, FILE *out)
{
	static struct column columns[ROWS_MAX + 3] = {
	    {"calls", true}, {"at", true}, {"payload", true}};
	size_t which[ROWS_MAX], count = 0;
	char text[UNITS_LEN];
	struct table t;

	for (size_t i = 0; i < n->compare.rows; i++)
		if (n->row[i].samples != 0 && i != n->compare.row[i].base + 1) {
			columns[3 + count] =
			    (struct column){n->compare.row[i].allocator->name, true};
			which[count++] = i;
		}
	if (count == 0)
		return;
	table_begin(&t, columns, 3 + count);
	table_split(&t, 3, 0);
	for (size_t k = 0; k <= steps; k++) {
		const uint64_t at =
		    (uint64_t)((double)n->ops->head->count * (double)k / (double)steps);
		const struct replay_sample *const first = sample_at(&n->row[which[0]], at);
		table_cell(&t, "%s", units_count(text, (double)replay_ops_calls(n->ops, at)));
		if (n->ops->head->timeless)
			table_cell(&t, "%s", "-");
		else
			table_cell(&t, "%s",
			    units_seconds(text, (double)replay_ops_ns(n->ops, at) * 1e-9));
		table_cell(&t, "%s",
		    first != NULL ? units_bytes(text, (double)first->payload) : "");
		for (size_t i = 0; i < count; i++) {
			const struct replay_sample *const s = sample_at(&n->row[which[i]], at);
			table_cell(&t, "%s", s != NULL ? units_bytes(text, (double)s->rss) : "");
		}
	}
	fputs("\nresident bytes over time\n\n", out);
	table_text(&t, out);
	table_end(&t);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_latency(struct json *j, const struct native_row *row, unsigned kind,
    const char *name)
{
	if (native_count(row, kind) == 0 && !(row->merged && kind == REPLAY_KINDS)) {
		json_null(j, name);
		return;
	}
	json_object(j, name);
	if (!row->merged)
		json_count(j, "calls", native_count(row, kind));
	for (int i = 0; i < NATIVE_QUANTILES; i++)
		json_number(j, native_quantiles[i].key,
		    native_latency(row, kind, native_quantiles[i].q));
	json_number(j, "max", native_longest(row, kind));
	json_end(j);
}

static void put_samples(struct json *j, const struct native *n, const struct native_row *row)
{
	json_array(j, "samples");
	for (size_t k = 0; k < row->samples; k++) {
		const struct replay_sample *const s = &row->sample[k];
		json_object(j, NULL);
		json_count(j, "calls", replay_ops_calls(n->ops, s->at));
		json_count(j, "ns", replay_ops_ns(n->ops, s->at));
		json_count(j, "payload_bytes", s->payload);
		json_count(j, "usable_bytes", s->usable);
		json_count(j, "rss_bytes", s->rss);
		json_end(j);
	}
	json_end(j);
}

static void more_json(const struct compare *c, const struct row *row, struct json *j)
{
	const struct native *const n = (const struct native *)c;
	const struct native_row *const mine = &n->row[row - c->row];

	json_number(j, "calls_per_s", native_ops_per_s(n, row));
	json_string(j, "malloc_from", mine->provider[0] != '\0' ? mine->provider : NULL);
	json_count(j, "skipped_calls", n->ops->head->without_effect);
	json_count(j, "failed_calls", mine->failed);
	if (mine->glibc_heap_max != 0) {
		json_count(j, "glibc_heap_max_bytes", mine->glibc_heap_max);
		json_count(j, "glibc_mmap_max_bytes", mine->glibc_mmap_max);
	}
	json_object(j, "latency_ns");
	put_latency(j, mine, REPLAY_KINDS, "all");
	put_latency(j, mine, KIND_MALLOC, "malloc");
	put_latency(j, mine, KIND_FREE, "free");
	put_latency(j, mine, KIND_REALLOC, "realloc");
	json_end(j);
	put_samples(j, n, mine);
	if (!mine->paced)
		return;
	json_object(j, "paced");
	json_count(j, "peak_bytes", mine->paced_peak);
	json_count(j, "mean_bytes", mine->paced_mean);
	json_count(j, "end_bytes", mine->paced_end);
	json_number(j, "behind_s", mine->behind_s);
	json_end(j);
}

void native_json(const struct native *n, struct json *j)
{
	static const char *const modes[] = {"as-is", "off", "both"};
	static const char *const figures[] = {[BY_TRADE] = "trade", [BY_TIME] = "wall_s",
	    [BY_CPU] = "cpu_s", [BY_PEAK] = "peak_rss_bytes", [BY_MEAN] = "mean_rss_bytes",
	    [BY_END] = "end_rss_bytes"};
	const struct compare *const c = &n->compare;
	const struct replay_head *const h = n->ops->head;

	/* 2: verdict_by is "trade" where 1 had "wall_s".  3: "differs" as in dmm-compare 3. */
	json_schema(j, "dmm-replay", 3);
	if (n->cell != NULL)
		cell_json(n->cell, j);
	json_string(j, "recording", n->path);
	json_count(j, "calls", h->calls);
	json_count(j, "threads", h->threads);
	json_count(j, "lower_bound_bytes", h->peak_payload);
	json_string(j, "touch", touch_words[n->touch]);
	json_count(j, "runs", c->runs);
	json_number(j, "timeout_s", c->timeout_s);
	json_count(j, "warm_bytes", c->warm);
	json_number(j, "pace", n->pace > 0 ? n->pace : (double)NAN);
	json_string(j, "thp", modes[c->huge_pages]);
	json_string(j, "verdict_by", figures[c->by]);
	json_count(j, "own_bytes", n->own_bytes);
	provenance_json(&c->provenance, j, "provenance");
	((struct native *)n)->compare.more_json = more_json;
	compare_json_rows(c, j);
	compare_json_verdicts(c, j);
}
