/* summary.c - the lecture's summary table, from measurements. */
#include <string.h>

#include "bench/lecture.h"
#include "allocators/registry.h"
#include "cli/table.h"

/* The slide's statement; the designs that come after it in the lecture are measured too. */
static const struct slide_row {
	const char *system;
	const char *space, *malloc_time, *free_time; /* as the slide says; NULL: it says nothing */
} rows[] = {
    {"minimal", "Bad", "Bad", "Good"},
    {"pad", "Bad", "Good", "Good"},
    {"list", "Good", "Bad", "Bad"},
    {"dlist", "Good", "Bad", "Good"},
    {"bins", "Good", "Good", "Good"},
    {"vm", NULL, NULL, NULL},
    {"gnu", NULL, NULL, NULL},
    {"segdata", NULL, NULL, NULL},
    {"segmeta", NULL, NULL, NULL},
};

enum { ROWS = sizeof rows / sizeof rows[0], TOLD = 5 };
enum { SUMMARY_TIMEOUTS = 3 }; /* a row is several measurements */

struct measured {
	struct growth space, malloc_growth, free_growth;
	double calls_per_malloc, calls_per_free;
	const char *space_word, *malloc_word, *free_word;
};

/* System calls in a steady state, by caller. */
static void count_calls(struct measured *m, const struct dmm_system *sys)
{
	enum { OPS = 1000 };
	static void *p[OPS];
	struct bench_heap b;

	bench_heap_open(&b, sys, NULL);
	const uint64_t before = b.os.calls;
	for (int i = 0; i < OPS; i++)
		p[i] = bench_alloc(&b, 64);
	const uint64_t between = b.os.calls;
	for (int i = 0; i < OPS; i++)
		bench_free(&b, p[i]);
	m->calls_per_malloc = (double)(between - before) / OPS;
	m->calls_per_free = (double)(b.os.calls - between) / OPS;
	bench_heap_close(&b);
}

/* Bad is a cost that grows with the heap, or a system call each time. */
static const char *time_word(const struct growth *g, double calls)
{
	return g->exponent > 0.5 || calls > 0.5 ? "Bad" : "Good";
}

static struct measured measure(const struct dmm_system *sys)
{
	struct measured m = {.space = churn_growth(sys)};
	struct scene s = scene_of(sys);

	m.free_growth = scene_growth(&s);
	s.target_free = true;
	s.ask = s.target_len;
	m.malloc_growth = scene_growth(&s);
	count_calls(&m, sys);
	m.space_word = m.space.exponent > 0.5 ? "Bad" : "Good";
	m.malloc_word = time_word(&m.malloc_growth, m.calls_per_malloc);
	m.free_word = time_word(&m.free_growth, m.calls_per_free);
	return m;
}

static bool as_told(const struct slide_row *r, const struct measured *m)
{
	return strcmp(r->space, m->space_word) == 0 && strcmp(r->malloc_time, m->malloc_word) ==
	    0 &&
	       strcmp(r->free_time, m->free_word) == 0;
}

void lecture_summary(struct finding *f)
{
	for (int i = 0; i < TOLD; i++) {
		const struct measured m = measure(lecture_system(rows[i].system));
		find_text(f, "%s: %s / %s / %s", rows[i].system, m.space_word, m.malloc_word,
		    m.free_word);
		find_verdict(f, as_told(&rows[i], &m), "%s is %s / %s / %s on the slide",
		    rows[i].system,
		    rows[i].space, rows[i].malloc_time, rows[i].free_time);
	}
}

/* "Bad  O(n), 1.0 calls" */
static void put_time(struct table *t, const char *word, const struct growth *g, double calls)
{
	const enum paint paint = strcmp(word, "Bad") == 0 ? PAINT_BAD : PAINT_GOOD;

	if (calls > 0.5)
		table_paint(t, paint, "%s: %s, %.1f system calls", word, order_name(g), calls);
	else if (g->first == g->last)
		table_paint(t, paint, "%s: %s, %.0f", word, order_name(g), g->first);
	else
		table_paint(t, paint, "%s: %s, %.0f to %.0f", word, order_name(g), g->first,
		    g->last);
}

static void put_measured(struct table *t, const struct measured *m)
{
	table_paint(t, strcmp(m->space_word, "Bad") == 0 ? PAINT_BAD : PAINT_GOOD, "%s: n^%.2f",
	    m->space_word,
	    m->space.exponent + 0.0);
	put_time(t, m->malloc_word, &m->malloc_growth, m->calls_per_malloc);
	put_time(t, m->free_word, &m->free_growth, m->calls_per_free);
}

static void measure_own(void *arg, void *result)
{
	*(struct measured *)result = measure(arg);
}

/* The user's own design, in a process of its own.  The slide has no row for it. */
static void put_own(struct table *t, const struct bench_options *o, size_t i)
{
	struct measured m;
	const enum cell_status status = cell_run(measure_own, (void *)(uintptr_t)o->systems[i], &m,
	    sizeof m,
	    SUMMARY_TIMEOUTS * o->timeout_s);

	table_cell(t, "(own) %s", o->names[i]);
	if (status == CELL_FINE) {
		put_measured(t, &m);
		table_cell(t, "yours");
		return;
	}
	table_paint(t, PAINT_BAD, "%s", status == CELL_TIMEOUT ? "takes too long (--timeout)"
	    : "crashes");
	table_cell(t, "-");
	table_cell(t, "-");
	table_cell(t, "dmm torture --system=%s",
	    lab_quoted(o->given[i] != NULL ? o->given[i] : o->names[i]));
}

void lecture_summary_print(const struct bench_options *o)
{
	static const struct column columns[] = {{"Implementation", false},
	    {"Space: footprint", false},
	    {"Time: malloc", false}, {"Time: free", false}, {"the slide", false}};
	struct table t;

	printf("\nDMM system Impl Summary, measured: footprint by operations at constant live "
	       "bytes;\ninstructions of one call with 64 to 1024 free chunks in the heap, only "
	       "the last of which fits.\n\n");
	table_begin(&t, columns, sizeof columns / sizeof columns[0]);
	for (int i = 0; i < ROWS; i++) {
		if (registry_find(rows[i].system) == NULL)
			continue;
		const struct measured m = measure(lecture_system(rows[i].system));
		table_cell(&t, "(%d) %s", i + 1, rows[i].system);
		put_measured(&t, &m);
		table_cell(&t, "%s", rows[i].space == NULL       ? "does not say"
		                     : as_told(&rows[i], &m) ? "agrees"
		                                             : "differs");
	}
	for (size_t i = 0; i < o->system_count; i++)
		if (registry_find(o->names[i]) == NULL)
			put_own(&t, o, i);
	table_text(&t, stdout);
	table_end(&t);
}
