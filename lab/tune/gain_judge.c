/* gain_judge.c - see gain_judge.h.
 *
 * A gain needs a figure with a verdict (V1 in compare/verdict.c).  A loss does not: three times the
 * time is too long, even where glibc differs from itself by 30 %.
 */
#include "tune/gain_judge.h"

#include <math.h>

double gain_noise(const struct gain *g, enum figure figure)
{
	return verdict_noise(&g->compare, g->own, figure);
}

bool gain_is_fine(const struct row *row)
{
	return row->outcome == OUTCOME_FINE && row->good != 0;
}

int gain_tells(const struct gain *g, const struct row *row, const struct row *than,
    enum figure figure)
{
	const struct interval r = verdict_ratio(row, than, figure);

	if (row == than || isnan(r.median) || !verdict_differs(&r, gain_noise(g, figure)))
		return 0;
	return r.median < 1 ? -1 : 1;
}

/* Is `row` more than the usual malloc in a figure, by more than `allowed` and than the noise,
 * however large that is? */
static bool is_more(const struct gain *g, const struct row *row, enum figure figure, double allowed)
{
	const struct interval r = verdict_ratio(row, g->usual, figure);

	return row != g->usual && r.coverage >= COVERAGE_LEAST && r.low > 1 &&
	    r.median > 1 + fmax(allowed, gain_noise(g, figure));
}

bool gain_is_slower(const struct gain *g, const struct row *row)
{
	return g->slower >= 0 && is_more(g, row, FIGURE_WALL, g->slower);
}

static bool gains(const struct gain *g, const struct row *row)
{
	return gain_is_fine(row) && gain_is_fine(g->usual) && !gain_is_slower(g, row) &&
	    (gain_tells(g, row, g->usual, g->figure) < 0 ||
	        (!is_more(g, row, g->figure, 0) &&
	            gain_tells(g, row, g->usual, FIGURE_WALL) < 0));
}

enum gain_take gain_take(const struct gain *g)
{
	if (g->set != g->own && !g->refuted && gains(g, g->set) &&
	    (gain_tells(g, g->set, g->own, g->figure) < 0 || !gains(g, g->own)))
		return GAIN_TAKE_SET;
	return gains(g, g->own) ? GAIN_TAKE_OWN : GAIN_TAKE_USUAL;
}

bool gain_is_worse(const struct gain *g)
{
	return gain_take(g) != GAIN_TAKE_SET &&
	    (gain_tells(g, g->set, g->usual, g->figure) > 0 ||
	        gain_tells(g, g->set, g->own, g->figure) > 0);
}
