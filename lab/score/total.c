/* total.c - computes the points of a score from its figures. */
#include <stdio.h>

#include "score/score.h"

bool score_counts(const struct score_trace *t, size_t design)
{
	return t->problem[0] == '\0' && t->result[design].problem[0] == '\0';
}

double score_utilisation(const struct score_trace *t, size_t design)
{
	const struct score_result *const r = &t->result[design];
	return score_counts(t, design) && r->peak_footprint != 0
	    ? (double)r->peak_payload / (double)r->peak_footprint
	    : 0;
}

static double rate(double calls, double seconds)
{
	return seconds > 0 ? calls / seconds : 0;
}

double score_throughput(const struct score_trace *t, size_t design)
{
	return score_counts(t, design) ? rate((double)t->calls, t->result[design].seconds) : 0;
}

static double points(const struct score_order *o, double utilisation, double throughput,
    double reference)
{
	const double part = reference > 0 ? throughput / reference : 0;
	return 100 * (o->weight * utilisation + (1 - o->weight) * (part < 1 ? part : 1));
}

double score_of_trace(const struct score_order *o, const struct score_trace *t, size_t design)
{
	return score_counts(t, design)
	    ? points(o, score_utilisation(t, design), score_throughput(t, design),
	          rate((double)t->calls, t->reference_seconds))
	    : 0;
}

/* Sums over traces, which each mean divides in its own way. */
struct score_sums {
	double calls, seconds, rates, inverses;
};

static void count(struct score_sums *s, double calls, double seconds)
{
	s->calls += calls;
	s->seconds += seconds;
	s->rates += rate(calls, seconds);
	s->inverses += calls > 0 ? seconds / calls : 0;
}

static double mean(const struct score_sums *s, enum score_mean how, size_t n)
{
	if (n == 0)
		return 0;
	if (how == SCORE_MEAN_TOTAL)
		return rate(s->calls, s->seconds);
	return how == SCORE_MEAN_ARITHMETIC ? s->rates / (double)n : rate((double)n, s->inverses);
}

/* A trace that failed has no part in the means, and then takes its share of the points. */
struct score_total score_total(const struct score_board *b, size_t design)
{
	const struct score_order *const o = b->order;
	struct score_sums own = {0}, reference = {0};
	double sum = 0, inverses = 0;
	struct score_total total = {0};
	size_t n = 0;

	for (size_t i = 0; i < b->traces; i++) {
		const struct score_trace *const t = &b->trace[i];
		if (!score_counts(t, design)) {
			total.failed++;
			continue;
		}
		n++;
		count(&own, (double)t->calls, t->result[design].seconds);
		count(&reference, (double)t->calls, t->reference_seconds);
		sum += score_utilisation(t, design);
		inverses += rate(1, score_utilisation(t, design));
	}
	total.utilisation = n == 0 ? 0 : o->mean == SCORE_MEAN_HARMONIC ? (double)n / inverses
	    : sum / (double)n;
	total.throughput = mean(&own, o->mean, n);
	total.reference = mean(&reference, o->mean, n);
	total.score = b->traces == 0 ? 0
	    : points(o, total.utilisation, total.throughput,
	    total.reference) * (double)n / (double)b->traces;
	return total;
}

const char *score_verdict(const struct score_trace *t, size_t design, char buf[2 * SCORE_TEXT])
{
	if (t->problem[0] != '\0')
		snprintf(buf, 2 * SCORE_TEXT, "the trace: %s", t->problem);
	else if (t->result[design].problem[0] != '\0')
		snprintf(buf, 2 * SCORE_TEXT, "%s", t->result[design].problem);
	else
		snprintf(buf, 2 * SCORE_TEXT, "correct%s%s", t->note[0] != '\0' ? "; " : "",
		    t->note);
	return buf;
}
