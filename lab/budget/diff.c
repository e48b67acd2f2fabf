/* diff.c - medians of both sides, and the noise: how much the runs of one side differ. */
#include "budget/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static void open_side(struct side *s, const char *paths)
{
	char *const copy = strdup(paths);
	struct trace_error e;

	CHECK(copy != NULL);
	for (char *save, *path = strtok_r(copy, ",", &save); path != NULL;
	    path = strtok_r(NULL, ",", &save)) {
		if (s->runs == DIFF_RUNS)
			lab_die(EXIT_USAGE, "more than %d recordings on one side", DIFF_RUNS);
		struct profile *const p = &s->run[s->runs++];
		if (!profile_read(p, strdup(path), &e))
			lab_die(EXIT_FAULT, "%s: %s", path, e.text);
		if (p->all.value[MEASURE_CALLS] == 0)
			lab_die(EXIT_FAULT, "%s: nothing is allocated in it; dmm info tells why",
			    path);
	}
	free(copy);
	if (s->runs == 0)
		lab_die(EXIT_USAGE, "'%s' names no recording", paths);
}

static size_t program_len(const char *command)
{
	return strcspn(command, " ");
}

/* The last part of the first word: "server" of "/opt/a/server --port 1". */
static const char *program_of(const char *command, size_t *len)
{
	const size_t whole = program_len(command);
	size_t from = whole;

	while (from > 0 && command[from - 1] != '/')
		from--;
	*len = whole - from;
	return command + from;
}

static void refuse_others(const struct profile *a, const struct profile *b)
{
	size_t len_a, len_b;
	const char *const x = program_of(a->command, &len_a),
	    *const y = program_of(b->command, &len_b);

	if (len_a != 0 && len_b != 0 && (len_a != len_b || memcmp(x, y, len_a) != 0))
		lab_die(EXIT_USAGE, "%s is a recording of %.*s, and %s one of %.*s; --any "
		    "compares them all the same",
		    a->path, (int)len_a, x, b->path, (int)len_b, y);
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Sorts; the median, and how far apart the least and the most are. */
static double median(double *v, size_t n, double *spread)
{
	qsort(v, n, sizeof *v, ascending);
	*spread = v[n - 1] - v[0];
	return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double value_of(const struct entry *e, enum quantity m)
{
	return e != NULL ? e->value[m] : 0;
}

/* The two sides' first recordings. */
static size_t count_unsteady(const struct diff *d)
{
	const struct profile *const p = &d->a.run[0];
	size_t count = 0;

	for (size_t i = 0; i < p->sites; i++) {
		const struct entry *const after = profile_site(&d->b.run[0], p->site[i].name);
		const double a = p->site[i].value[MEASURE_CALLS];
		const double b = value_of(after, MEASURE_CALLS);
		count += a != b && fabs(a - b) < fmax(a, b) / 4;
	}
	return count;
}

double diff_usual_noise(const struct diff *d, enum quantity m)
{
	if (d->unsteady < DIFF_UNSTEADY_SITES)
		return DIFF_USUAL;
	return m == MEASURE_PEAK ? DIFF_UNSTEADY_PEAK : DIFF_UNSTEADY;
}

static double usual_noise(const struct diff *d, enum quantity m, double least)
{
	const double whole = fmax(d->a.run[0].all.value[m], d->b.run[0].all.value[m]);
	return fmax(least, whole * diff_usual_noise(d, m));
}

/* a, b: the value in each run. */
static struct change judge(const struct diff *d, const char *name, enum quantity m, double *a,
    double *b)
{
	const double least = m == MEASURE_CALLS ? DIFF_LEAST_CALLS : DIFF_LEAST_BYTES;
	struct change c = {.name = name};
	double spread_a, spread_b;

	c.before = median(a, d->a.runs, &spread_a);
	c.after = median(b, d->b.runs, &spread_b);
	const bool repeated = d->a.runs > 2 && d->b.runs > 2;
	c.noise = repeated ? fmax(least, 1.5 * fmax(spread_a, spread_b)) : usual_noise(d, m, least);
	/* A busy machine stretches some parts of a run: one run tells nothing about averages
	 * over time. */
	c.counts = fabs(c.after - c.before) > c.noise && (repeated || m != MEASURE_MEAN);
	return c;
}

static struct change judge_all(const struct diff *d, enum quantity m)
{
	double a[DIFF_RUNS], b[DIFF_RUNS];

	for (size_t i = 0; i < d->a.runs; i++)
		a[i] = d->a.run[i].all.value[m];
	for (size_t i = 0; i < d->b.runs; i++)
		b[i] = d->b.run[i].all.value[m];
	return judge(d, "all", m, a, b);
}

static struct change judge_site(const struct diff *d, const char *name)
{
	double a[DIFF_RUNS], b[DIFF_RUNS];

	for (size_t i = 0; i < d->a.runs; i++)
		a[i] = value_of(profile_site(&d->a.run[i], name), d->by);
	for (size_t i = 0; i < d->b.runs; i++)
		b[i] = value_of(profile_site(&d->b.run[i], name), d->by);
	return judge(d, name, d->by, a, b);
}

static int by_difference(const void *a, const void *b)
{
	const struct change *const x = a, *const y = b;
	const double dx = fabs(x->after - x->before), dy = fabs(y->after - y->before);

	if (x->counts != y->counts)
		return y->counts - x->counts;
	if (dx != dy)
		return dx > dy ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void finish(struct change_list *l)
{
	qsort(l->change, l->count, sizeof *l->change, by_difference);
	for (l->counted = 0; l->counted < l->count && l->change[l->counted].counts;)
		l->counted++;
}

/* Every name of any run once. */
static void list_sites(struct diff *d)
{
	size_t room = 1;

	for (size_t i = 0; i < d->a.runs; i++)
		room += d->a.run[i].sites;
	for (size_t i = 0; i < d->b.runs; i++)
		room += d->b.run[i].sites;
	d->sites.change = calloc(room, sizeof *d->sites.change);
	CHECK(d->sites.change != NULL);
	for (size_t i = 0; i < d->a.runs + d->b.runs; i++) {
		const struct profile *const p = i < d->a.runs ? &d->a.run[i]
		    : &d->b.run[i - d->a.runs];
		for (size_t k = 0; k < p->sites; k++) {
			bool seen = false;
			for (size_t before = 0; before < i && !seen; before++)
				seen = profile_site(before < d->a.runs ? &d->a.run[before]
				                                       : &d->b.run[before -
				                                       d->a.runs],
				           p->site[k].name) != NULL;
			if (!seen)
				d->sites.change[d->sites.count++] = judge_site(d, p->site[k].name);
		}
	}
	finish(&d->sites);
}

static void list_sizes(struct diff *d)
{
	double a[DIFF_RUNS], b[DIFF_RUNS];

	d->sizes.change = calloc(PROFILE_SIZES, sizeof *d->sizes.change);
	CHECK(d->sizes.change != NULL);
	for (unsigned s = 0; s < PROFILE_SIZES; s++) {
		for (size_t i = 0; i < d->a.runs; i++)
			a[i] = d->a.run[i].size[s].value[d->by];
		for (size_t i = 0; i < d->b.runs; i++)
			b[i] = d->b.run[i].size[s].value[d->by];
		d->sizes.change[d->sizes.count++] = judge(d, d->a.run[0].size[s].name, d->by, a, b);
	}
	finish(&d->sizes);
}

void diff_open(struct diff *d, const char *before, const char *after, enum quantity by, bool any)
{
	*d = (struct diff){.by = by};
	open_side(&d->a, before);
	open_side(&d->b, after);
	for (size_t i = 0; i < d->b.runs && !any; i++)
		refuse_others(&d->a.run[0], &d->b.run[i]);
	for (size_t i = 1; i < d->a.runs && !any; i++)
		refuse_others(&d->a.run[0], &d->a.run[i]);
	d->unsteady = count_unsteady(d);
	for (enum quantity m = 0; m < MEASURES; m++)
		d->all[m] = judge_all(d, m);
	list_sites(d);
	list_sizes(d);
}

void diff_close(struct diff *d)
{
	for (size_t i = 0; i < d->a.runs; i++)
		profile_close(&d->a.run[i]);
	for (size_t i = 0; i < d->b.runs; i++)
		profile_close(&d->b.run[i]);
	free(d->sites.change);
	free(d->sizes.change);
}

bool diff_found(const struct diff *d)
{
	for (enum quantity m = 0; m < MEASURES; m++)
		if (d->all[m].counts)
			return true;
	return d->sites.counted + d->sizes.counted != 0;
}
