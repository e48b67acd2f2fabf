/* ascent.c - the search: it climbs from setting to setting, and remembers each score. */
#include "tune/ascent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/slab_conf.h"
#include "cli/lab.h"
#include "slab/system.h"
#include "system/policy/params.h"

enum { TECHNIQUES_MAX = 16 };

struct tried {
	char conf[ASCENT_CONF];
	double score;
	bool had;
};

struct climb {
	const struct ascent *a;
	const char *value[TECHNIQUES_MAX]; /* NULL: the design's own */
	struct tried *tried;
	size_t count;
};

static void print_conf(const struct climb *c, char conf[ASCENT_CONF])
{
	size_t len = 0;

	conf[0] = '\0';
	for (size_t i = 0; i < c->a->count; i++)
		if (c->value[i] != NULL)
			len += (size_t)snprintf(conf + len, ASCENT_CONF - len, "%s%s:%s",
			    len != 0 ? "," : "", c->a->technique[i].key, c->value[i]);
}

static bool score(struct climb *c, const char *conf, double *out)
{
	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->tried[i].conf, conf) == 0) {
			*out = c->tried[i].score;
			return c->tried[i].had;
		}
	struct tried t = {.had = false};
	snprintf(t.conf, sizeof t.conf, "%s", conf);
	t.had = c->a->score(c->a->arg, conf, &t.score);
	if (c->count < ASCENT_TRIED)
		c->tried[c->count++] = t;
	*out = t.score;
	return t.had;
}

bool ascent_changes_nothing(const struct dmm_system *sys, const char *conf)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;
	char set[512], own[512];

	if (sys == &system_slab)
		return slab_conf_changes_nothing(conf);
	if (!params_parse(&params, sys, conf, &e))
		return false;
	params_print(&params, sys, set, sizeof set);
	params_print(&sys->defaults, sys, own, sizeof own);
	return strcmp(set, own) == 0;
}

/* The value as `value` would have it: NULL where that is the design's own. */
static const char *value_or_own(const struct dmm_system *sys, const struct technique *t,
    const char *value)
{
	char conf[64];

	snprintf(conf, sizeof conf, "%s:%s", t->key, value);
	return ascent_changes_nothing(sys, conf) ? NULL : value;
}

/* The value of one technique that gains most, all others as they are.  False: none gains. */
static bool improve(struct climb *c, size_t i, struct ascent_result *best)
{
	const struct technique *const t = &c->a->technique[i];
	const char *const was = c->value[i], *found = NULL;
	char conf[ASCENT_CONF];
	bool gained = false;
	double x;

	for (size_t v = 0; t->values[v] != NULL; v++) {
		c->value[i] = value_or_own(c->a->sys, t, t->values[v]);
		print_conf(c, conf);
		if (!score(c, conf, &x) || x <= best->score * (gained ? 1 : c->a->gain))
			continue;
		best->score = x;
		memcpy(best->conf, conf, sizeof conf);
		found = c->value[i];
		gained = true;
	}
	c->value[i] = gained ? found : was;
	return gained;
}

/* Up from where *c is, which has been scored; *r becomes what is found if that is better. */
static void climb(struct climb *c, struct ascent_result here, struct ascent_result *r)
{
	const struct ascent *const a = c->a;
	bool gained = true;

	while (gained) {
		gained = false;
		for (size_t i = 0; i < a->count; i++)
			if (a->technique[i].option == 0 ||
			    (a->sys->options & a->technique[i].option) != 0)
				gained |= improve(c, i, &here);
	}
	if (here.score > r->score)
		*r = here;
}

/* Where the other climbs begin: one value of one technique, everything else the design's own. */
static void climb_from(struct climb *c, size_t i, const char *value, struct ascent_result *r)
{
	struct ascent_result here = {.score = 0};

	memset(c->value, 0, sizeof c->value);
	c->value[i] = value_or_own(c->a->sys, &c->a->technique[i], value);
	print_conf(c, here.conf);
	if (c->value[i] != NULL && score(c, here.conf, &here.score))
		climb(c, here, r);
}

static void climb_also(struct climb *c, struct ascent_result *r)
{
	struct ascent_result here = {.score = 0};

	for (size_t i = 0; i < c->a->count; i++) {
		const char *const value = c->a->also[i];
		c->value[i] = value == NULL ? NULL
		                            : value_or_own(c->a->sys, &c->a->technique[i], value);
	}
	print_conf(c, here.conf);
	if (score(c, here.conf, &here.score))
		climb(c, here, r);
}

void ascent_climb(const struct ascent *a, struct ascent_result *r)
{
	struct climb c = {.a = a, .tried = calloc(ASCENT_TRIED, sizeof *c.tried)};

	*r = (struct ascent_result){{0}, 0, 0};
	if (c.tried == NULL || a->count > TECHNIQUES_MAX || !score(&c, "", &r->score))
		lab_die(EXIT_OURS, "%s cannot be searched as it comes", a->sys->name);
	const struct ascent_result own = *r;
	if (a->also != NULL) /* first: a search that is cut short has then seen it */
		climb_also(&c, r);
	memset(c.value, 0, sizeof c.value);
	climb(&c, own, r);
	for (size_t i = 0; i < a->count; i++) {
		if (!(a->sys->options & a->technique[i].option) ||
		    !(a->technique[i].option & a->starts))
			continue;
		for (size_t v = 0; a->technique[i].values[v] != NULL; v++)
			climb_from(&c, i, a->technique[i].values[v], r);
	}
	r->tried = c.count;
	free(c.tried);
}
