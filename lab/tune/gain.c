/* gain.c - see gain.h. */
#include "tune/gain_judge.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "cli/plain.h"
#include "cli/screen.h"
#include "cli/table.h"
#include "cli/units.h"

static const enum figure shown[] = {FIGURE_MEAN, FIGURE_PEAK, FIGURE_END, FIGURE_WALL, FIGURE_CPU};
static const char *const keys[] = {"mean_rss", "peak_rss", "end_rss", "wall", "cpu"};
enum { SHOWN = sizeof shown / sizeof *shown };

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
static void put_change(struct table *t, const struct gain *g, const struct row *against,
    enum figure figure)
{
	const struct interval r = verdict_ratio(g->set, against, figure);
	const bool differs = verdict_differs(&r, gain_noise(g, figure));

	if (isnan(r.median))
		table_cell(t, "not seen");
	else if (r.coverage == 0)
		table_cell(t, "%+.1f %%", 100 * (r.median - 1));
	else
		table_paint(t,
		    !differs       ? PAINT_PLAIN
		    : r.median < 1 ? PAINT_GOOD
		                   : PAINT_BAD,
		    "%+.1f %% (%+.1f to %+.1f)", 100 * (r.median - 1), 100 * (r.low - 1),
		    100 * (r.high - 1));
}

static const char *usual_name(const struct gain *g, char buf[PATH_MAX])
{
	if (g->compare.linked == NULL)
		return "glibc";
	const char *const slash = strrchr(g->compare.linked, '/');
	snprintf(buf, PATH_MAX, "%s", slash != NULL ? slash + 1 : g->compare.linked);
	return buf;
}

static void print_title(const struct gain *g, FILE *out)
{
	const double coverage = verdict_ratio(g->set, g->usual, FIGURE_WALL).coverage;
	char interval[64] = "";

	if (coverage > 0)
		snprintf(interval, sizeof interval, " of the median, and its %.0f %% interval",
		    fmin(round(100 * coverage), 95));
	screen_words(out, 0, "%s %s in %zu run%s of each; change%s; noise: glibc against itself",
	    g->system, g->conf != NULL ? "with these settings" : "as it comes", g->set->good,
	    g->set->good == 1 ? "" : "s", interval);
}

/* A line a figure: the columns are as few as what is compared. */
static void print_table(const struct gain *g, FILE *out)
{
	static const char *const words[] = {"memory on average", "memory at the peak",
	    "memory at the end", "time", "CPU time"};
	char usual[PATH_MAX], against_usual[PATH_MAX + 16], against_own[96];
	struct column columns[] = {{"", false}, {against_usual, true}, {against_own, true},
	    {"noise", true}};
	struct table t;

	snprintf(against_usual, sizeof against_usual, "against %s", usual_name(g, usual));
	snprintf(against_own, sizeof against_own,
	    g->set != g->own ? "against %s as it comes" : "", g->system);
	fputc('\n', out);
	print_title(g, out);
	table_begin(&t, columns, sizeof columns / sizeof *columns);
	for (size_t i = 0; i < SHOWN; i++) {
		table_cell(&t, "%s", words[i]);
		put_change(&t, g, g->usual, shown[i]);
		if (g->set != g->own)
			put_change(&t, g, g->own, shown[i]);
		else
			table_cell(&t, "%s", "");
		verdict_noise_cell(&g->compare, g->own, shown[i], &t);
	}
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
	else if (noise > NOISE_MOST)
		fprintf(out, "no verdict on %s: glibc differs from itself by up to %.0f %%", noun,
		    100 * noise);
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

static void say_against(const struct gain *g, const struct row *row, const char *name, FILE *out)
{
	const struct interval memory = verdict_ratio(g->set, row, g->figure),
	                      time = verdict_ratio(g->set, row, FIGURE_WALL);

	fprintf(out, "next to %s, ", plain(name));
	say_change(&memory, gain_noise(g, g->figure), noun_of(g->figure), out);
	fputs("; ", out);
	say_change(&time, gain_noise(g, FIGURE_WALL), "time", out);
}

/* The settings, or the design as it comes if there are none: do the runs prove that they gain? */
static bool is_proved(const struct gain *g)
{
	return gain_take(g) == (g->set != g->own ? GAIN_TAKE_SET : GAIN_TAKE_OWN);
}

void gain_sentence(const struct gain *g, FILE *out)
{
	char usual[PATH_MAX], own[64];

	if (!gain_is_fine(g->set)) {
		fprintf(out, "not proved: %s", g->set->why[0] != '\0' ? plain(g->set->why)
		    : "the program did not run to its end on it");
		return;
	}
	if (!gain_is_fine(g->usual)) {
		fprintf(out, "not proved: the program did not run to its end on %s",
		    plain(usual_name(g, usual)));
		return;
	}
	fputs(is_proved(g) ? "proved: "
	    : gain_is_worse(g) && g->set != g->own ? "do not use these settings: "
	    : gain_take(g) != GAIN_TAKE_OWN ? "not proved: "
	    : "the settings are not proved, the design as it comes is; with the settings: ", out);
	say_against(g, g->usual, usual_name(g, usual), out);
	if (g->set != g->own) {
		snprintf(own, sizeof own, "%s as it comes", g->system);
		fputs(". And ", out);
		say_against(g, g->own, own, out);
	}
	fputc('.', out);
}

/* ---- what to take ---------------------------------------------------------------------------- */

/* Why slab as it comes, and not with the settings. */
static const char *why_own(const struct gain *g)
{
	if (g->set == g->own)
		return "no settings gain anything over it";
	if (!gain_is_fine(g->set))
		return "the program did not run to its end with the settings";
	if (g->refuted)
		return "on a recording that was not searched the settings hold more memory";
	if (gain_is_slower(g, g->set))
		return "with the settings a run takes longer than --slower allows";
	if (gain_tells(g, g->set, g->own, g->figure) > 0)
		return "with the settings it holds more memory";
	return "the runs prove no further gain by the settings";
}

/* What would show more than these runs, or mend what they show. */
static void say_remedy(const struct gain *g, FILE *out)
{
	const struct interval r = verdict_ratio(g->set, g->usual, g->figure);
	const int memory = gain_tells(g, g->set, g->usual, g->figure);

	if (!gain_is_fine(g->usual))
		fputs("no row can be compared with its; give a command that runs to its end on it",
		    out);
	else if (!gain_is_fine(g->set))
		fputs("a program that misuses malloc may fail on any other; hardened says where",
		    out);
	else if (isnan(r.median))
		fprintf(out, "the run is too short to measure %s; give one of a second or more",
		    noun_of(g->figure));
	else if (r.coverage < COVERAGE_LEAST)
		fprintf(out, "so few runs (%zu) prove nothing; give --runs=%d or more",
		    g->set->good, STATS_RUNS_FOR_95);
	else if (memory > 0)
		fputs("it holds less. If this run does what the recordings do not, record it, too",
		    out);
	else if (memory < 0 && g->refuted)
		fputs("on a recording that was not searched the settings hold more memory; search "
		      "all recordings, and check on another one", out);
	else if (memory < 0)
		fprintf(out, "%s saves memory, but a run takes longer than --slower allows%s; a "
		             "larger --slower accepts that", g->system,
		    gain_noise(g, FIGURE_WALL) > NOISE_MOST ? ", by more than the noise" : "");
	else if (gain_tells(g, g->set, g->own, g->figure) < 0)
		fprintf(out, "the runs prove no gain over it. A program that runs on %s anyway "
		             "gains by the settings", g->system);
	else if (gain_noise(g, g->figure) > NOISE_MOST)
		fprintf(out, "the machine is too busy to judge %s, or the program varies too much; "
		             "measure it on an idle machine", noun_of(g->figure));
	else
		fputs("the runs prove no gain. More runs (--runs) or an idle machine can prove a "
		      "smaller one", out);
}

static void say_take(const struct gain *g, FILE *out)
{
	char buf[PATH_MAX];
	const char *const usual = plain(usual_name(g, buf));
	const enum gain_take take = gain_take(g);

	if (take == GAIN_TAKE_SET) {
		fprintf(out, "take %s with these settings", g->system);
	} else if (take == GAIN_TAKE_OWN) {
		fprintf(out, "take %s as it comes: %s", g->system, why_own(g));
	} else {
		fprintf(out, "stay with %s: ", usual);
		say_remedy(g, out);
	}
	fputc('.', out);
}

/* A sentence; the caller frees it. */
static char *text_of(const struct gain *g, void (*say)(const struct gain *g, FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		lab_die(EXIT_OURS, "no memory");
	say(g, out);
	fclose(out);
	return text;
}

bool gain_text(const struct gain *g, FILE *out)
{
	if (gain_is_fine(g->set))
		print_table(g, out);
	char *const proof = text_of(g, gain_sentence), *const take = text_of(g, say_take);
	screen_text(out, 0, proof);
	screen_text(out, 0, take);
	free(proof);
	free(take);
	return gain_is_fine(g->set) && !gain_is_worse(g);
}

enum { NEXT_WORDS = 4 };

/* "next: dmm ...", words, "--", and the program. */
static void next(const struct gain *g, const char *name, char *words[NEXT_WORDS])
{
	size_t count = 0, n = 0;

	while (g->command[count] != NULL)
		count++;
	char **const argv = calloc(NEXT_WORDS + count + 2, sizeof *argv);
	if (argv == NULL)
		lab_die(EXIT_OURS, "no memory");
	for (size_t i = 0; i < NEXT_WORDS; i++)
		if (words[i] != NULL)
			argv[n++] = words[i];
	argv[n++] = (char *)"--";
	memcpy(argv + n, g->command, count * sizeof *argv);
	lab_next(argv, "dmm %s", name);
	free(argv);
}

static char *word(const char *option, const char *value)
{
	char *text;

	if (asprintf(&text, "%s%s", option, value) < 0)
		lab_die(EXIT_OURS, "no memory");
	return text;
}

/* The same, measured by more runs. */
static void next_compare(const struct gain *g)
{
	enum { LEAST = 2 * STATS_RUNS_FOR_95, LEN = PATH_MAX + 64 };
	const size_t wanted = 2 * g->runs > LEAST ? 2 * g->runs : LEAST;
	char runs[32], systems[LEN];

	snprintf(runs, sizeof runs, "%zu", wanted < STATS_RUNS_MAX ? wanted : STATS_RUNS_MAX);
	snprintf(systems, sizeof systems, g->conf != NULL ? "%s,%s?DMM_CONF=file:%s" : "%s",
	    g->system, g->system, g->conf);
	char *words[NEXT_WORDS] = {word("--runs=", runs), word("--systems=", systems)};
	if (g->drive != NULL) {
		words[2] = word("--server", "");
		words[3] = word("--drive=", g->drive);
	}
	next(g, "compare", words);
	for (size_t i = 0; i < NEXT_WORDS; i++)
		free(words[i]);
}

static void next_run(const struct gain *g, const char *system, const char *conf)
{
	char *words[NEXT_WORDS] = {
	    word("--system=", system), conf != NULL ? word("--conf=", conf) : NULL};

	next(g, "run", words);
	free(words[0]);
	free(words[1]);
}

void gain_next(const struct gain *g)
{
	const enum gain_take take = gain_take(g);

	if (take != GAIN_TAKE_USUAL)
		next_run(g, g->system, take == GAIN_TAKE_SET ? g->conf : NULL);
	else if (!gain_is_fine(g->set) && gain_is_fine(g->usual))
		next_run(g, "hardened", NULL);
	else if (gain_tells(g, g->set, g->usual, g->figure) > 0)
		next(g, "record", (char *[NEXT_WORDS]){(char *)"-o", (char *)"other.dmm"});
	else
		next_compare(g);
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
	static const char *const take[] = {"settings", "design", "usual"};
	char usual[PATH_MAX], *const text = text_of(g, gain_sentence);

	json_object(j, "measured");
	json_count(j, "runs", g->set->good);
	json_string(j, "usual", usual_name(g, usual));
	put_intervals(j, "against_usual", g->set, g->usual);
	put_intervals(j, "against_own", g->set, g->own);
	put_intervals(j, "own_against_usual", g->own, g->usual);
	put_intervals(j, "noise", &glibc[1], glibc);
	json_string(j, "verdict", text);
	json_string(j, "take", take[gain_take(g)]);
	json_bool(j, "holds", gain_is_fine(g->set) && !gain_is_worse(g));
	json_end(j);
	free(text);
	return gain_is_fine(g->set) && !gain_is_worse(g);
}
