/* gain.c - see gain.h. */
#include "tune/gain.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "cli/plain.h"
#include "cli/table.h"
#include "cli/units.h"

static const enum figure shown[] = {FIGURE_MEAN, FIGURE_PEAK, FIGURE_END, FIGURE_WALL, FIGURE_CPU};
static const char *const keys[] = {"mean_rss", "peak_rss", "end_rss", "wall", "cpu"};
enum { SHOWN = sizeof shown / sizeof *shown };
#define COVERAGE_LEAST 0.9 /* as for verdict_differs(): five runs */

/* ---- the runs -------------------------------------------------------------------------------- */

/* "tuned=/path/libdmm.so?DMM_CONF=file:/path/F" */
static void add_tuned(struct allocators *list, const char *system, const char *conf)
{
	char *const library = allocator_library(system), *const file = realpath(conf, NULL);
	char *item;

	if (library == NULL)
		lab_die(EXIT_OURS,
		    "the library of %s was not found; DMM_LIBDIR names the directory", system);
	if (file == NULL)
		lab_die(EXIT_OURS, "%s: %s", conf, strerror(errno));
	if (strpbrk(file, "&,?") != NULL)
		lab_die(EXIT_USAGE,
		    "%s: a settings file for runs may have no '&', ',' or '?' in its path", file);
	if (asprintf(&item, "tuned=%s?DMM_CONF=file:%s", library, file) < 0)
		lab_die(EXIT_OURS, "no memory");
	allocators_add_systems(list, item);
	free(item);
	free(library);
	free(file);
}

static const struct row *row_named(const struct compare *c, const char *name)
{
	for (size_t i = 0; name != NULL && i < c->rows; i++)
		if (strcmp(c->row[i].allocator->name, name) == 0)
			return &c->row[i];
	return NULL;
}

static void check_command(const struct gain *g)
{
	char *const path = launch_path(g->command[0]);

	if (path == NULL)
		lab_die(errno == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND, "%s: %s",
		    g->command[0], errno == EACCES ? "not executable" : "command not found");
	free(path);
}

void gain_measure(struct gain *g)
{
	struct compare *const c = &g->compare;

	check_command(g);
	*c = (struct compare){
	    .command = g->command, .drive = g->drive, .runs = g->runs, .warm = g->warm};
	allocators_add_baselines(&c->allocators);
	allocators_add_systems(&c->allocators, g->system);
	if (g->conf != NULL)
		add_tuned(&c->allocators, g->system, g->conf);
	unsetenv("LD_PRELOAD");
	compare_run(c);
	g->own = row_named(c, g->system);
	g->set = g->conf != NULL ? row_named(c, "tuned") : g->own;
	g->usual = row_named(c, c->linked_row);
	g->usual = g->usual != NULL ? g->usual : row_named(c, "glibc");
}

/* ---- the figures ----------------------------------------------------------------------------- */

/* "-17.2 % (-17.5 to -16.8)" */
static void put_change(struct table *t, const struct interval *r, double noise)
{
	const bool differs = verdict_differs(r, noise);

	if (isnan(r->median))
		table_cell(t, "not seen");
	else
		table_paint(t,
		    !differs        ? PAINT_PLAIN
		    : r->median < 1 ? PAINT_GOOD
		                    : PAINT_BAD,
		    "%+.1f %% (%+.1f to %+.1f)", 100 * (r->median - 1), 100 * (r->low - 1),
		    100 * (r->high - 1));
}

static double noise_in(const struct gain *g, enum figure f)
{
	return verdict_noise(&g->compare, g->own, f);
}

static void put_row(struct table *t, const struct gain *g, const char *words, const struct row *row,
    const struct row *against)
{
	table_cell(t, "%s", words);
	for (size_t i = 0; i < SHOWN; i++) {
		const struct interval r = verdict_ratio(row, against, shown[i]);
		put_change(t, &r, row == against ? NAN : noise_in(g, shown[i]));
	}
}

static const char *usual_name(const struct gain *g, char buf[PATH_MAX])
{
	if (g->compare.linked == NULL)
		return "glibc";
	const char *const slash = strrchr(g->compare.linked, '/');
	snprintf(buf, PATH_MAX, "%s", slash != NULL ? slash + 1 : g->compare.linked);
	return buf;
}

static const char *set_name(const struct gain *g, char buf[64])
{
	snprintf(
	    buf, 64, "%s %s", g->system, g->conf != NULL ? "with these settings" : "as it comes");
	return buf;
}

static void print_table(const struct gain *g, FILE *out)
{
	static const struct column columns[] = {{"", false}, {"on average", true},
	    {"at the peak", true}, {"at the end", true}, {"time", true}, {"CPU time", true}};
	const struct row *const glibc = row_named(&g->compare, "glibc");
	char words[PATH_MAX + 128], usual[PATH_MAX], set[64];
	struct table t;

	fprintf(out,
	    "\nmeasured in %zu runs of each; change, with the exact interval of its median\n",
	    g->set->good);
	table_begin(&t, columns, sizeof columns / sizeof *columns);
	snprintf(words, sizeof words, "%s, against %s", set_name(g, set), usual_name(g, usual));
	put_row(&t, g, words, g->set, g->usual);
	if (g->set != g->own) {
		snprintf(words, sizeof words, "the same, against %s as it comes", g->system);
		put_row(&t, g, words, g->set, g->own);
	}
	put_row(&t, g, "glibc, against itself: noise", &glibc[1], glibc);
	table_text(&t, out);
	table_end(&t);
}

/* ---- in words -------------------------------------------------------------------------------- */

/* "17 % less memory on average (16.8 to 17.5)", that no difference is seen, or that the run was too
 * short. */
static void say_change(const struct interval *r, double noise, const char *noun, FILE *out)
{
	char change[UNITS_LEN];

	if (isnan(r->median))
		fprintf(out, "the run is too short to measure %s", noun);
	else if (r->coverage < COVERAGE_LEAST)
		fprintf(out, "so few runs tell no difference in %s from noise (%+.1f %%); use "
		             "--runs=%d",
		    noun, 100 * (r->median - 1), STATS_RUNS_FOR_95);
	else if (!verdict_differs(r, noise))
		fprintf(out,
		    "no difference in %s that could be told from noise (%+.1f %%, %+.1f to %+.1f)",
		    noun, 100 * (r->median - 1), 100 * (r->low - 1), 100 * (r->high - 1));
	else
		fprintf(out, "%s (%+.1f %%, %+.1f to %+.1f)", units_change(change, r->median, noun),
		    100 * (r->median - 1), 100 * (r->low - 1), 100 * (r->high - 1));
}

static const char *noun_of(enum figure f)
{
	return f == FIGURE_PEAK  ? "memory at the peak"
	       : f == FIGURE_END ? "memory at the end"
	                         : "memory on average";
}

static bool is_fine(const struct gain *g)
{
	return g->set->outcome == OUTCOME_FINE && g->set->good != 0;
}

/* Does it hold more memory than it would without the settings? */
static bool is_worse(const struct gain *g)
{
	const struct interval r = verdict_ratio(g->set, g->own, g->figure);

	return g->set != g->own && verdict_differs(&r, noise_in(g, g->figure)) && r.median > 1;
}

static bool is_less(const struct gain *g, const struct row *than)
{
	const struct interval r = verdict_ratio(g->set, than, g->figure);

	return !isnan(r.median) && verdict_differs(&r, noise_in(g, g->figure)) && r.median < 1;
}

/* Do the runs show less memory than on the usual malloc, or than without the settings? */
static bool is_proved(const struct gain *g)
{
	return is_less(g, g->usual) || (g->set != g->own && is_less(g, g->own));
}

static void say_against(const struct gain *g, const struct row *row, const char *name, FILE *out)
{
	const struct interval memory = verdict_ratio(g->set, row, g->figure),
	                      time = verdict_ratio(g->set, row, FIGURE_WALL);

	fprintf(out, "next to %s, ", plain(name));
	say_change(&memory, noise_in(g, g->figure), noun_of(g->figure), out);
	fputs("; ", out);
	say_change(&time, noise_in(g, FIGURE_WALL), "time", out);
}

static void say(const struct gain *g, FILE *out)
{
	char usual[PATH_MAX], own[64];

	if (!is_fine(g)) {
		fprintf(out, "not proved: %s\n",
		    g->set->why[0] != '\0' ? plain(g->set->why)
		                           : "the program did not run to its end on it");
		return;
	}
	fprintf(out, "%s: ", is_worse(g)       ? "do not use these settings"
	                     : is_proved(g) ? "proved"
	                                    : "not proved");
	say_against(g, g->usual, usual_name(g, usual), out);
	if (g->set != g->own) {
		snprintf(own, sizeof own, "%s as it comes", g->system);
		fputs(". And ", out);
		say_against(g, g->own, own, out);
	}
	fputs(".\n", out);
}

bool gain_text(const struct gain *g, FILE *out)
{
	if (is_fine(g))
		print_table(g, out);
	say(g, out);
	return is_fine(g) && !is_worse(g);
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void put_intervals(
    struct json *j, const char *key, const struct row *row, const struct row *against)
{
	json_object(j, key);
	for (size_t i = 0; i < SHOWN; i++) {
		const struct interval r = verdict_ratio(row, against, shown[i]);
		if (isnan(r.median)) {
			json_null(j, keys[i]);
			continue;
		}
		json_object(j, keys[i]);
		json_number(j, "median", r.median);
		json_number(j, "low", r.low);
		json_number(j, "high", r.high);
		json_number(j, "coverage", r.coverage);
		json_end(j);
	}
	json_end(j);
}

bool gain_json(const struct gain *g, struct json *j)
{
	const struct row *const glibc = row_named(&g->compare, "glibc");
	char usual[PATH_MAX], *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		lab_die(EXIT_OURS, "no memory");
	say(g, out);
	fclose(out);
	text[strcspn(text, "\n")] = '\0';
	json_object(j, "measured");
	json_integer(j, "runs", (int64_t)g->set->good);
	json_string(j, "usual", usual_name(g, usual));
	put_intervals(j, "against_usual", g->set, g->usual);
	put_intervals(j, "against_own", g->set, g->own);
	put_intervals(j, "own_against_usual", g->own, g->usual);
	put_intervals(j, "noise", &glibc[1], glibc);
	json_string(j, "verdict", text);
	json_bool(j, "holds", is_fine(g) && !is_worse(g));
	json_end(j);
	free(text);
	return is_fine(g) && !is_worse(g);
}
