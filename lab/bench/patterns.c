/* patterns.c - the allocating programs of bench/ under every allocator, interleaved.
 *
 * Each cell is the median over the rounds; in each round the allocators take turns in another
 * order, and the same memory is touched and freed before every run, so that nobody pays for cold
 * pages.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/bench.h"
#include "cli/json.h"
#include "run/measure.h"
#include "cli/table.h"
#include "cli/units.h"
#include "run/prefault.h"
#include "cli/progress.h"

enum { PATTERNS_MAX = 32, ALLOCATORS_MAX = 32, NAME_MAX_LEN = 32 };
static const size_t WARM = (size_t)256 << 20;

struct program_suite {
	const struct bench_options *o;
	char program[PATH_MAX]; /* dmm-patterns */
	char name[PATTERNS_MAX][NAME_MAX_LEN];
	size_t patterns;
	struct allocators list;
	struct program_cell {
		double *time_s, *rss; /* a value a round */
		enum ending ending;
	} cell[ALLOCATORS_MAX][PATTERNS_MAX];
};

/* Beside this command, where the build puts it. */
static void find_program(struct program_suite *s)
{
	char self[PATH_MAX];
	const ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	if (len < 0)
		lab_die(EXIT_OURS, "cannot find this command itself: %s", strerror(errno));
	self[len] = '\0';
	if (snprintf(s->program, sizeof s->program, "%s/dmm-patterns", dirname(self)) >= PATH_MAX ||
	    access(s->program, X_OK) != 0)
		lab_die(EXIT_OURS, "no '%s': the patterns run from a build directory", s->program);
}

static bool wanted(const struct bench_options *o, const char *name)
{
	for (int i = 0; o->words[i] != NULL; i++)
		if (strcmp(o->words[i], name) == 0)
			return true;
	return o->words[0] == NULL;
}

/* The names that the program itself lists. */
static void find_patterns(struct program_suite *s)
{
	char command[PATH_MAX + 16], line[256];

	snprintf(command, sizeof command, "'%s' --list", s->program);
	FILE *const in = popen(command, "r");
	while (in != NULL && fgets(line, sizeof line, in) != NULL) {
		char name[NAME_MAX_LEN];
		if (strncmp(line, "  ", 2) != 0 || sscanf(line, "%31s", name) != 1)
			continue;
		if (s->o->list)
			fputs(line + 2, stdout);
		if (wanted(s->o, name) && s->patterns < PATTERNS_MAX)
			strcpy(s->name[s->patterns++], name);
	}
	if (in == NULL || pclose(in) != 0)
		lab_die(EXIT_OURS, "cannot run '%s'", s->program);
	if (s->patterns == 0)
		lab_die(EXIT_USAGE, "unknown pattern '%s'; dmm bench --suite=patterns --list "
		    "names them",
		    s->o->words[0]);
}

static void find_allocators(struct program_suite *s)
{
	allocators_add_baseline(&s->list);
	allocators_add_systems(&s->list, s->o->systems_text);
	allocators_add_peers(&s->list, s->o->peers);
	if (s->list.count > ALLOCATORS_MAX)
		lab_die(EXIT_USAGE, "at most %d allocators", ALLOCATORS_MAX);
	for (size_t a = 0; a < s->list.count; a++)
		for (size_t p = 0; p < s->patterns; p++) {
			struct program_cell *const c = &s->cell[a][p];
			c->time_s = calloc(s->o->runs, sizeof *c->time_s);
			c->rss = calloc(s->o->runs, sizeof *c->rss);
			CHECK(c->time_s != NULL && c->rss != NULL);
		}
}

/* A pair that failed once is not tried again: a design that is too slow stays so. */
static void run_cell(struct program_suite *s, size_t a, size_t p, size_t round)
{
	struct program_cell *const c = &s->cell[a][p];
	char *const argv[] = {s->program, s->name[p], NULL};
	const struct measure m = {.program = {.argv = argv, .allocator = &s->list.item[a],
	    .input = -1,
	    .output = -1, .errors = -1}, .timeout_s = s->o->timeout_s};
	struct run run;

	if (c->ending != ENDING_EXIT)
		return;
	warm_memory(warm_bound(WARM));
	measure_run(&m, &run);
	c->time_s[round] = run.wall_s;
	c->rss[round] = (double)run.peak_rss;
	c->ending = run.ending == ENDING_EXIT && run.code != 0 ? ENDING_SIGNAL : run.ending;
}

static void run_all(struct program_suite *s)
{
	measure_begin();
	progress_begin("round 1 of %zu", s->o->runs);
	for (size_t round = 0; round < s->o->runs; round++)
		for (size_t p = 0; p < s->patterns; p++) {
			progress_label("round %zu of %zu: %s", round + 1, s->o->runs, s->name[p]);
			for (size_t i = 0; i < s->list.count && !measure_interrupted(); i++)
				run_cell(s, (i + round) % s->list.count, p, round);
			progress_share((double)(round * s->patterns + p + 1) /
			    (double)(s->o->runs * s->patterns));
		}
	progress_end();
}

/* ---- results --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof *values, by_value);
	return n % 2 != 0 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double value(const struct program_suite *s, size_t a, size_t p, bool rss)
{
	const struct program_cell *const c = &s->cell[a][p];
	return c->ending == ENDING_EXIT ? median(rss ? c->rss : c->time_s, s->o->runs) : NAN;
}

/* Geometric mean of the ratios to glibc, over the patterns that both ended. */
static double mean_ratio(const struct program_suite *s, size_t a, bool rss)
{
	double sum = 0, count = 0;

	for (size_t p = 0; p < s->patterns; p++) {
		const double ratio = value(s, a, p, rss) / value(s, 0, p, rss);
		if (!isnan(ratio))
			sum += log(ratio), count++;
	}
	return exp(sum / count);
}

static void put_value(struct table *t, const struct program_suite *s, size_t a, size_t p, bool rss)
{
	char buf[UNITS_LEN];
	const double v = value(s, a, p, rss);

	if (s->cell[a][p].ending == ENDING_TIMEOUT)
		table_paint(t, PAINT_BAD, "> %g s", s->o->timeout_s);
	else if (isnan(v))
		table_paint(t, PAINT_BAD, "failed");
	else
		table_cell(t, "%s", rss ? units_bytes(buf, v) : units_seconds(buf, v));
}

/* One row a pattern: there are more of them than a terminal has columns. */
static void put_block(const struct program_suite *s, bool rss)
{
	struct column columns[ALLOCATORS_MAX + 1] = {{rss ? "peak RSS" : "time", false}};
	struct table t;

	for (size_t a = 0; a < s->list.count; a++)
		columns[a + 1] = (struct column){s->list.item[a].name, true};
	table_begin(&t, columns, s->list.count + 1);
	table_split(&t, 1, 0);
	for (size_t p = 0; p < s->patterns; p++) {
		table_cell(&t, "%s", s->name[p]);
		for (size_t a = 0; a < s->list.count; a++)
			put_value(&t, s, a, p, rss);
	}
	table_cell(&t, "mean of ratios");
	for (size_t a = 0; a < s->list.count; a++)
		table_cell(&t, "%.2f", mean_ratio(s, a, rss));
	table_text(&t, stdout);
	table_end(&t);
}

static const char *ending_word(enum ending ending)
{
	return ending == ENDING_EXIT ? "fine" : ending == ENDING_TIMEOUT ? "timeout" : "failed";
}

static void put_csv(const struct program_suite *s)
{
	puts("allocator,pattern,status,wall_s,peak_rss_bytes");
	for (size_t a = 0; a < s->list.count; a++)
		for (size_t p = 0; p < s->patterns; p++)
			if (s->cell[a][p].ending == ENDING_EXIT)
				printf("%s,%s,fine,%.6f,%.0f\n", s->list.item[a].name, s->name[p],
				    value(s, a, p, false), value(s, a, p, true));
			else
				printf("%s,%s,%s,,\n", s->list.item[a].name, s->name[p],
				    ending_word(s->cell[a][p].ending));
}

static void put_json(const struct program_suite *s)
{
	struct json j;

	json_begin(&j, stdout);
	json_schema(&j, "dmm-bench-patterns", 2);
	json_count(&j, "runs", s->o->runs);
	json_array(&j, "rows");
	for (size_t a = 0; a < s->list.count; a++)
		for (size_t p = 0; p < s->patterns; p++) {
			json_object(&j, NULL);
			json_string(&j, "name", s->list.item[a].name);
			json_string(&j, "kind", allocator_kind(&s->list.item[a]));
			json_string(&j, "build_id", s->list.item[a].build_id);
			json_string(&j, "pattern", s->name[p]);
			json_string(&j, "status", ending_word(s->cell[a][p].ending));
			json_number(&j, "wall_s", value(s, a, p, false));
			json_number(&j, "peak_rss_bytes", value(s, a, p, true));
			json_end(&j);
		}
	json_end(&j);
	json_end(&j);
}

int bench_patterns(const struct bench_options *o)
{
	static struct program_suite s; /* large */

	s = (struct program_suite){.o = o};
	find_program(&s);
	find_patterns(&s);
	if (o->list)
		return EXIT_FINE;
	find_allocators(&s);
	run_all(&s);
	if (o->format == FORMAT_CSV) {
		put_csv(&s);
	} else if (o->format == FORMAT_JSON) {
		put_json(&s);
	} else {
		printf("median of %zu interleaved runs; below, geometric means relative to "
		    "glibc\n\n", o->runs);
		put_block(&s, false);
		putchar('\n');
		put_block(&s, true);
	}
	lab_next(NULL, "dmm compare -- %s %s", lab_quoted(s.program), s.name[0]);
	return EXIT_FINE;
}
