/* print.c - the board as a table, as JSON, as CSV. */
#include <stdio.h>

#include "cli/json.h"
#include "cli/table.h"
#include "score/score.h"

static void row(const struct score_board *b, struct table *t, const struct score_trace *trace,
    size_t design)
{
	char verdict[2 * SCORE_TEXT];

	table_cell(t, "%s", trace->name);
	table_cell(t, "%llu", (unsigned long long)trace->calls);
	if (score_counts(trace, design)) {
		table_cell(t, "%.1f", 100 * score_utilisation(trace, design));
		table_cell(t, "%.0f", score_throughput(trace, design) / 1e3);
	} else {
		table_cell(t, "-");
		table_cell(t, "-");
	}
	table_cell(t, "%.0f", trace->reference_seconds > 0
	    ? (double)trace->calls / trace->reference_seconds / 1e3 : 0);
	table_cell(t, "%.1f", score_of_trace(b->order, trace, design));
	table_paint(t, score_counts(trace, design) ? PAINT_GOOD : PAINT_BAD, "%s",
	    score_verdict(trace, design, verdict));
}

static void print_table(const struct score_board *b, size_t design)
{
	static const struct column columns[] = {{"trace", false}, {"calls", true}, {"util %", true},
	    {"kcalls/s", true}, {"reference", true}, {"score", true}, {"verdict", false}};
	const struct score_total total = score_total(b, design);
	const bool csv = b->order->format == FORMAT_CSV;
	struct table t;

	if (!csv)
		printf("%s\n", b->order->design[design]);
	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < b->traces; i++)
		row(b, &t, &b->trace[i], design);
	if (csv)
		table_csv(&t, stdout);
	else
		table_text(&t, stdout);
	table_end(&t);
	if (csv)
		return;
	printf("%zu of %zu traces correct; utilisation %.1f %%, %.0f thousand calls a second "
	    "(reference %.0f)\n",
	    b->traces - total.failed, b->traces, 100 * total.utilisation, total.throughput / 1e3,
	    total.reference / 1e3);
	printf("score %.1f of 100: %.0f for utilisation, %.0f for throughput%s\n\n", total.score,
	    100 * b->order->weight, 100 * (1 - b->order->weight),
	    total.failed != 0 ? "; the traces that failed take their share" : "");
}

static void json_trace(struct json *j, const struct score_board *b, const struct score_trace *t,
    size_t design)
{
	char verdict[2 * SCORE_TEXT];

	json_object(j, NULL);
	json_string(j, "trace", t->name);
	json_number(j, "calls", (double)t->calls);
	json_bool(j, "correct", score_counts(t, design));
	json_string(j, "verdict", score_verdict(t, design, verdict));
	json_number(j, "peak_payload_bytes", (double)t->result[design].peak_payload);
	json_number(j, "peak_footprint_bytes", (double)t->result[design].peak_footprint);
	json_number(j, "utilisation", score_utilisation(t, design));
	json_number(j, "calls_a_second", score_throughput(t, design));
	json_number(j, "reference_calls_a_second",
	    t->reference_seconds > 0 ? (double)t->calls / t->reference_seconds : 0);
	json_number(j, "score", score_of_trace(b->order, t, design));
	json_end(j);
}

static void json_design(struct json *j, const struct score_board *b, size_t design)
{
	const struct score_total total = score_total(b, design);

	json_object(j, NULL);
	json_string(j, "name", b->order->design[design]);
	json_array(j, "traces");
	for (size_t i = 0; i < b->traces; i++)
		json_trace(j, b, &b->trace[i], design);
	json_end(j);
	json_number(j, "failed", (double)total.failed);
	json_number(j, "utilisation", total.utilisation);
	json_number(j, "calls_a_second", total.throughput);
	json_number(j, "reference_calls_a_second", total.reference);
	json_number(j, "score", total.score);
	json_end(j);
}

void score_print(const struct score_board *b)
{
	struct json j;

	if (b->order->format != FORMAT_JSON) {
		for (size_t i = 0; i < b->order->designs; i++)
			print_table(b, i);
		return;
	}
	json_begin(&j, stdout);
	json_string(&j, "format", "dmm-score-1");
	json_number(&j, "weight_of_utilisation", b->order->weight);
	json_array(&j, "designs");
	for (size_t i = 0; i < b->order->designs; i++)
		json_design(&j, b, i);
	json_end(&j);
	json_end(&j);
}
