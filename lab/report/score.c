/* score.c - converts the measurements of `dmm compare` for the page. */
#include "report/score.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_row(struct report_score *to, const struct compare *c, const struct row *row,
    const struct row *best)
{
	*to = (struct report_score){.kind = allocator_kind(row->allocator), .seconds = NAN,
	    .bytes = NAN,
	    .time = {.median = NAN}, .memory = {.median = NAN}};
	snprintf(to->name, sizeof to->name, "%.127s", row->allocator->name);
	memcpy(to->build_id, row->allocator->build_id, sizeof to->build_id);
	if (row->outcome != OUTCOME_FINE)
		snprintf(to->why, sizeof to->why, "%s", row->why[0] != '\0' ? row->why : "not run");
	if (row->good == 0)
		return;
	to->seconds = row->is[verdict_time(c)].median;
	to->bytes = row->is[FIGURE_PEAK].median;
	to->time = row->ratio[verdict_time(c)];
	to->memory = row->ratio[FIGURE_PEAK];
	to->best = row == best;
	to->ties = best != NULL && row != best && row->outcome == OUTCOME_FINE &&
	    verdict_ties(c, row, best);
}

void scores_of_compare(struct report_scores *s, const struct compare *c, const char *noun,
    const char *of)
{
	static char how[160];
	const bool off = c->huge_pages == HUGE_OFF;
	const struct row *const best = verdict_best(c, off);

	snprintf(how, sizeof how, "%zu %s%s %s on each%s", c->runs, noun,
	    c->runs == 1 ? "" : "s", of, off ? ", without huge pages" : "");
	*s = (struct report_scores){.how = how, .verdict = verdict_text(c, off),
	    .noise = verdict_noise(c, &c->row[0], verdict_time(c)), .huge_pages_off = off};
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].good == c->runs && c->row[i].ratio[verdict_time(c)].coverage >
		    s->coverage)
			s->coverage = fmin(c->row[i].ratio[verdict_time(c)].coverage, 0.95);
	for (size_t i = 0; i < c->rows; i++)
		if (c->row[i].no_huge_pages == off)
			put_row(&s->score[s->count++], c, &c->row[i], best);
}
