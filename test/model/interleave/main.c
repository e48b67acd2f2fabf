/* main.c - chooses the scenarios, runs them, and prints the results.
 *
 *      interleave [--bound=2] [--most=N] [--whole] [--done=FILE] [--not=SCENARIO] [SCENARIO]
 *
 * --whole: every schedule to its end (scheduler.h).  --done: FILE has a line for each scenario that
 * was run to its end; those are not run again, so that a search of hours can be stopped and
 * resumed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "fresh_os.h"
#include "interleave.h"
#include "slab/size_class.h"
#include "slab/slab.h"
#include "slab/thread_cache.h"

static void died(int signal)
{
	if (signal == SIGABRT && freed_twice)
		twice_named();
	sched_fail("the program was ended by a message or a fault");
}

enum shape { ONE_WORD, TWO_GRANULES, SHAPES };
static const char *const shape_name[SHAPES] = {"one word", "two granules"};

static void make_small(enum shape shape)
{
	size_class_init(false);
	size_class_point(own_fixed(thread_cache), sizeof(struct magazine));
	block_class = class_of(CLASS_SIZE);
	size_class[block_class] =
	    (struct size_class){.size = shape == ONE_WORD ? 320 : 2 * GRANULE / 3 / 64 * 64,
	        .count = 3,
	        .granules = shape == ONE_WORD ? 1 : 2,
	        .cached = 2};
}

static const char *word = "", *not = NULL, *done = NULL;

enum { LINE = 400 };

/* The message about a scenario begins like this, which distinguishes it from all others. */
static void name_line(char line[LINE], const struct sched_scenario *s, enum shape shape,
    unsigned bound)
{
	snprintf(line, LINE, "interleave: bound %u, %s, %s:", bound, s->name, shape_name[shape]);
}

/* Was all of it run already, and found sound?  Then the file has its line, which is said again. */
static bool is_done(const char *line)
{
	FILE *const f = done != NULL ? fopen(done, "r") : NULL;
	char before[LINE];
	bool found = false;

	while (f != NULL && !found && fgets(before, LINE, f) != NULL)
		found = strncmp(before, line, strlen(line)) == 0;
	if (f != NULL)
		fclose(f);
	if (found)
		printf("%.*s (before)\n", (int)strcspn(before, "\n"), before);
	return found;
}

static void note_done(const char *line)
{
	FILE *const f = fopen(done, "a");

	if (f == NULL || fprintf(f, "%s\n", line) < 0 || fclose(f) != 0) {
		fprintf(stderr, "interleave: cannot note in %s what is done: %s\n", done,
		    strerror(errno));
		_exit(2);
	}
}

static void run(const struct sched_scenario *s, enum shape shape, const struct sched_search *how)
{
	char line[LINE];

	name_line(line, s, shape, how->bound);
	if (is_done(line))
		return;
	make_small(shape);
	const struct sched_result r = sched_explore(s, how);
	const uint64_t named = twice_count_named();
	const size_t len = strlen(line);
	snprintf(line + len, LINE - len,
	    " %llu schedules, %llu cut short, %llu histories, %llu named, up to %zu choices%s: "
	    "sound",
	    (unsigned long long)r.schedules, (unsigned long long)r.cut,
	    (unsigned long long)r.histories, (unsigned long long)named, r.deepest,
	    r.all ? "" : " (more are left)");
	puts(line);
	fflush(stdout);
	if (r.all && done != NULL)
		note_done(line);
}

static void run_if_asked(const struct sched_scenario *s, const struct sched_search *how)
{
	for (enum shape shape = 0; shape < SHAPES; shape++)
		if (strstr(s->name, word) != NULL && (not == NULL || strstr(s->name, not) == NULL))
			run(s, shape, how);
}

int main(int argc, char **argv)
{
	struct sched_search how = {.bound = 2, .most = UINT64_MAX};

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--bound=", 8) == 0)
			how.bound =
			    (unsigned)min_size(strtoull(argv[i] + 8, NULL, 10), SCHED_BOUND_MOST);
		else if (strncmp(argv[i], "--most=", 7) == 0)
			how.most = strtoull(argv[i] + 7, NULL, 10);
		else if (strncmp(argv[i], "--done=", 7) == 0)
			done = argv[i] + 7;
		else if (strcmp(argv[i], "--whole") == 0)
			how.whole = true;
		else if (strncmp(argv[i], "--not=", 6) == 0)
			not = argv[i] + 6;
		else
			word = argv[i];
	}
	ground_open();
	signal(SIGABRT, died);
	signal(SIGSEGV, died);
	for (const struct sched_scenario *s = usual_scenarios; s->name != NULL; s++)
		run_if_asked(s, &how);
	for (const struct sched_scenario *s = twice_scenarios; s->name != NULL; s++)
		run_if_asked(s, &how);
	fflush(NULL);
	_exit(0);
}
