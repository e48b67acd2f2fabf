/* page.c - the board as one page of HTML that needs nothing else. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/markup.h"
#include "score/score.h"

static void print_row(FILE *out, const struct score_board *b, const struct score_trace *t,
    size_t design)
{
	const bool fine = score_counts(t, design);
	char verdict[2 * SCORE_TEXT];

	fprintf(out, "<tr><td>");
	markup_put(out, t->name);
	fprintf(out,
	    "<td>%llu<td>%.1f<td><meter max=100 value=%.1f></meter><td>%.0f<td>%.0f<td>%.1f<td "
	    "class=%s>",
	    (unsigned long long)t->calls, 100 * score_utilisation(t, design),
	    100 * score_utilisation(t, design), score_throughput(t, design) / 1e3,
	    t->reference_seconds > 0 ? (double)t->calls / t->reference_seconds / 1e3 : 0,
	    score_of_trace(b->order, t, design), fine ? "good" : "bad");
	markup_put(out, score_verdict(t, design, verdict));
	fputs("\n", out);
}

static void print_design(FILE *out, const struct score_board *b, size_t design)
{
	const struct score_total total = score_total(b, design);

	fputs("<h2>", out);
	markup_put(out, b->order->design[design]);
	fprintf(out,
	    ": %.1f of 100</h2>\n<p>%zu of %zu traces correct; utilisation %.1f %%, %.0f thousand "
	    "calls a "
	    "second (reference %.0f); weights %.0f and %.0f.</p>\n",
	    total.score, b->traces - total.failed, b->traces, 100 * total.utilisation,
	    total.throughput / 1e3, total.reference / 1e3, 100 * b->order->weight,
	    100 * (1 - b->order->weight));
	fputs("<table><tr><th>trace<th>calls<th>utilisation "
	      "%<th><th>kcalls/s<th>reference<th>score<th>verdict\n",
	    out);
	for (size_t i = 0; i < b->traces; i++)
		print_row(out, b, &b->trace[i], design);
	fputs("</table>\n", out);
}

void score_page(const struct score_board *b, const char *path)
{
	FILE *const out = fopen(path, "we");

	if (out == NULL)
		lab_die(EXIT_OURS, "%s: %s", path, strerror(errno));
	fputs("<!doctype html><html lang=en><meta charset=utf-8><title>dmm "
	      "score</title>\n<style>body{font:15px "
	      "sans-serif;max-width:75em;margin:2em auto;padding:0 "
	      "1em}table{border-collapse:collapse}td,th{padding:.2em "
	      ".7em;text-align:right;border-bottom:1px solid "
	      "#ccc}td:first-child,td:last-child,th:last-child{text-align:"
	      "left}.good{color:#186a3b}.bad{color:#a93226}</style>\n<h1>dmm "
	      "score</h1>\n<p>Utilisation: peak payload of "
	      "peak heap, on simulated memory. Throughput: calls a second of CPU, the best of some "
	      "runs.</p>\n",
	    out);
	for (size_t i = 0; i < b->order->designs; i++)
		print_design(out, b, i);
	fputs("</html>\n", out);
	if (ferror(out) != 0 || fclose(out) != 0)
		lab_die(EXIT_OURS, "%s: %s", path, strerror(errno));
}
