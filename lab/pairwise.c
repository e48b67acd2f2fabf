/* pairwise.c - four nested loops, turned inside out. */
#include "pairwise.h"

#include <stdio.h>

#include "system/policy/params.h"
#include "techniques.h"

void pairwise_begin(struct pairwise *p, const struct dmm_system *sys)
{
	*p = (struct pairwise){.sys = sys, .b = 1};
}

/* From one pair to the next, like a counter of four digits. */
static void advance(struct pairwise *p)
{
	if (techniques[p->b].values[++p->value_b] != NULL)
		return;
	p->value_b = 0;
	if (techniques[p->a].values[++p->value_a] != NULL)
		return;
	p->value_a = 0;
	if (++p->b < TECHNIQUES)
		return;
	p->b = ++p->a + 1;
}

static bool possible(struct pairwise *p)
{
	const struct technique *const a = &techniques[p->a], *const b = &techniques[p->b];
	struct dmm_params params = p->sys->defaults;
	struct params_error e;

	if (!(p->sys->options & a->option) || !(p->sys->options & b->option))
		return false; /* not one of its techniques: no pair at all */
	snprintf(p->conf, sizeof p->conf, "%s:%s,%s:%s", a->key, a->values[p->value_a], b->key,
	    b->values[p->value_b]);
	const bool can = params_parse(&params, p->sys, p->conf, &e);
	p->refused += !can;
	return can;
}

bool pairwise_next(struct pairwise *p)
{
	while (p->b < TECHNIQUES) {
		const bool can = possible(p);
		advance(p);
		if (can)
			return true;
	}
	return false;
}
