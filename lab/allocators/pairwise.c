/* pairwise.c - all pairs one by one (four nested loops, turned inside out), and in few settings. */
#include "allocators/pairwise.h"

#include <stdio.h>

#include "system/policy/params.h"
#include "allocators/techniques.h"

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
	struct conf_error e;

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

/* ---- few settings that meet all pairs -------------------------------------------------------- */

/* One value of each technique; NONE while it is open. */
struct technique_choice {
	int value[TECHNIQUES];
};
enum { NONE = -1 };

static bool has_technique(const struct covering *c, size_t t)
{
	return (c->sys->options & techniques[t].option) != 0;
}

static bool together(const struct covering *c, const struct technique_choice *s, char *conf,
    size_t cap)
{
	struct dmm_params params = c->sys->defaults;
	struct conf_error e;
	size_t len = 0;

	conf[0] = '\0';
	for (size_t t = 0; t < TECHNIQUES; t++)
		if (s->value[t] != NONE)
			len += (size_t)snprintf(conf + len, cap - len, "%s%s:%s",
			    len != 0 ? "," : "",
			    techniques[t].key, techniques[t].values[s->value[t]]);
	return params_parse(&params, c->sys, conf, &e);
}

/* How many new pairs the v-th value of technique t would make with what is set already. */
static size_t new_pairs(const struct covering *c, const struct technique_choice *s, size_t t, int v)
{
	size_t n = 0;

	for (size_t u = 0; u < TECHNIQUES; u++)
		n += u != t && s->value[u] != NONE && !c->has[t][v][u][s->value[u]];
	return n;
}

/* The value of t that meets most new pairs and can be with the others; it stays open if none
 * can. */
static void settle(const struct covering *c, struct technique_choice *s, size_t t)
{
	char conf[sizeof c->conf];
	size_t most = 0;
	int best = NONE;

	for (int v = 0; techniques[t].values[v] != NULL; v++) {
		const size_t n = new_pairs(c, s, t, v);
		s->value[t] = v;
		if (together(c, s, conf, sizeof conf) && (best == NONE || n > most)) {
			most = n;
			best = v;
		}
	}
	s->value[t] = best;
}

static void note(struct covering *c, const struct technique_choice *s)
{
	for (size_t t = 0; t < TECHNIQUES; t++)
		for (size_t u = 0; u < TECHNIQUES; u++)
			if (s->value[t] != NONE && s->value[u] != NONE)
				c->has[t][s->value[t]][u][s->value[u]] = true;
}

/* The first pair that has not met, alone in *s.  Pairs that cannot be together count as met. */
static bool first_new_pair(struct covering *c, struct technique_choice *s)
{
	for (size_t t = 0; t < TECHNIQUES; t++)
		for (size_t u = t + 1; u < TECHNIQUES; u++)
			for (int v = 0; techniques[t].values[v] != NULL; v++)
				for (int w = 0; techniques[u].values[w] != NULL; w++) {
					if (c->has[t][v][u][w] || !has_technique(c, t) ||
					    !has_technique(c, u))
						continue;
					for (size_t i = 0; i < TECHNIQUES; i++)
						s->value[i] = i == t ? v : i == u ? w : NONE;
					if (together(c, s, c->conf, sizeof c->conf))
						return true;
					note(c, s);
				}
	return false;
}

void covering_begin(struct covering *c, const struct dmm_system *sys)
{
	*c = (struct covering){.sys = sys};
}

bool covering_next(struct covering *c)
{
	struct technique_choice s;

	if (!first_new_pair(c, &s))
		return false;
	for (size_t t = 0; t < TECHNIQUES; t++)
		if (has_technique(c, t) && s.value[t] == NONE)
			settle(c, &s, t);
	note(c, &s);
	return together(c, &s, c->conf, sizeof c->conf);
}
