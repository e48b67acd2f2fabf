/* gain_test.c - dmm tune recommends only what real runs proved: each ending of a measurement. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "tune/gain.h"

enum { RUNS_MOST = 6, ROWS = 4, GLIBC = 0, OWN = 2, SET = 3 };

static struct gain g;
static struct allocator allocators[ROWS];
static const char *const names[ROWS] = {"glibc", "glibc-again", "slab", "tuned"};
static char *const command[] = {(char *)"./job", (char *)"a b", NULL};

/* glibc holds 100 MiB for a second.  time and memory: of slab as it comes and with the settings,
 * next to glibc. */
static void begin(size_t runs, double own_time, double own_memory, double time, double memory)
{
	const double times[ROWS] = {1, 1, own_time, time},
	             memories[ROWS] = {1, 1, own_memory, memory};

	g = (struct gain){.command = command, .runs = runs, .system = "slab", .conf = "my.conf",
	    .figure = FIGURE_MEAN, .slower = 0.01,
	    .compare = {.runs = runs, .rows = ROWS}};
	for (size_t i = 0; i < ROWS; i++) {
		struct row *const row = &g.compare.row[i];
		allocators[i].name = (char *)names[i];
		*row = (struct row){.allocator = &allocators[i], .outcome = OUTCOME_FINE,
		    .rounds = runs, .run = calloc(runs, sizeof *row->run)};
		for (size_t k = 0; k < runs; k++)
			row->run[k] = (struct run){.wall_s = times[i] * (k % 2 ? 1 : 1.001),
			    .cpu_s = times[i], .peak_rss = 120 << 20, .end_rss = 90 << 20,
			    .mean_rss = (size_t)(memories[i] * (100 << 20))};
	}
	g.usual = &g.compare.row[GLIBC];
	g.own = &g.compare.row[OWN];
	g.set = &g.compare.row[SET];
	verdict_digest(&g.compare);
}

static void fails(int row)
{
	g.compare.row[row].outcome = OUTCOME_CRASHED;
	snprintf(g.compare.row[row].why, WHY_LEN, "SIGSEGV");
}

static void without_settings(void)
{
	g.conf = NULL;
	g.set = g.own;
}

static void free_runs(void)
{
	for (size_t i = 0; i < ROWS; i++)
		free(g.compare.row[i].run);
}

static void talk(void *fine)
{
	*(bool *)fine = gain_text(&g, stderr);
	gain_next(&g);
	exit(gain_text(&g, stdout) ? 0 : 1);
}

/* The words are there; next: the end of the last line. */
static void expect_said(bool fine, const char *headline, const char *take, const char *next)
{
	char said[8192];
	bool unused;
	const int status = test_in_child(talk, &unused, said, sizeof said);

	if (status != (fine ? 0 : 1 << 8))
		fail_msg("status %#x after: %s", (unsigned)status, said);
	for (const char *const *words = (const char *const[]){headline, take, next, NULL};
	     *words != NULL; words++)
		if (strstr(said, *words) == NULL)
			fail_msg("'%s' is not in: %s", *words, said);
	free_runs();
}

TEST(settings_that_are_proved_are_taken)
{
	begin(6, 1, 0.9, 1, 0.7);
	assert_int_equal(gain_take(&g), GAIN_TAKE_SET);
	expect_said(true, "\nproved: next to glibc, 30 % less memory on average",
	    "\ntake slab with these settings.\n",
	    "\nnext: dmm run --system=slab --conf=my.conf -- ./job 'a b'\n");
}

TEST(settings_that_gain_nothing_over_slab_as_it_comes_are_not_taken)
{
	begin(6, 1, 0.7, 1, 0.7);
	assert_int_equal(gain_take(&g), GAIN_TAKE_OWN);
	expect_said(true,
	    "\nthe settings are not proved, the design as it comes is; with the settings: "
	    "next to glibc, 30 % less memory",
	    "\ntake slab as it comes: the runs prove no further gain by the settings.\n",
	    "\nnext: dmm run --system=slab -- ./job 'a b'\n");
}

TEST(a_gain_over_slab_that_is_none_over_glibc_is_not_recommended)
{
	begin(6, 1, 1.2, 1, 1);
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	expect_said(true, "\nnot proved: next to glibc, no difference in memory",
	    "\nstay with glibc: the runs prove no gain over it. A program that runs on slab ",
	    "\nnext: dmm compare --runs=12 '--systems=slab,slab?DMM_CONF=file:my.conf' -- ./job");
}

/* glibc-again needs that much more than glibc; 1: the same. */
static void add_noise(double time, double memory)
{
	for (size_t k = 0; k < g.runs; k++) {
		struct run *const run = &g.compare.row[GLIBC + 1].run[k];
		run->mean_rss = (size_t)(memory * (double)(100 << 20));
		run->wall_s *= time;
	}
	verdict_digest(&g.compare);
}

/* V1 of compare/verdict.c: a figure in which glibc differs from itself by more than 25 %. */
TEST(a_gain_in_a_figure_that_is_mostly_noise_is_not_recommended)
{
	begin(6, 1, 0.9, 1, 0.4);
	add_noise(1, 1.4);
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	expect_said(true, "\nnot proved: next to glibc, no verdict on memory on average: glibc "
	    "differs from itself by up to 40 %",
	    "\nstay with glibc: the machine is too busy to judge memory on average, or the program "
	    "varies too much; measure it on an idle machine.\n",
	    "\nnext: dmm compare --runs=12 ");
}

TEST(a_loss_beyond_the_noise_counts_though_the_noise_is_large)
{
	begin(6, 1, 0.9, 3, 0.7);
	add_noise(1.3, 1);
	assert_int_equal(gain_take(&g), GAIN_TAKE_OWN);
	expect_said(true, "no verdict on time: glibc differs from itself by up to 30 %",
	    "\ntake slab as it comes: with the settings a run takes longer than --slower allows.\n",
	    "\nnext: dmm run --system=slab -- ./job");
	begin(6, 3, 0.9, 3, 0.7);
	add_noise(1.3, 1);
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	expect_said(true, "\nnot proved: next to glibc, 30 % less memory on average",
	    "\nstay with glibc: slab saves memory, but a run takes longer than --slower allows, by "
	    "more than the noise; a larger --slower accepts that.\n", "\nnext: dmm compare ");
	begin(6, 0.5, 3, 0.5, 3); /* quicker, and three times the memory */
	add_noise(1, 1.4);
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	free_runs();
}

TEST(a_difference_within_a_large_noise_is_no_loss)
{
	begin(6, 1.2, 0.9, 1.2, 0.7);
	add_noise(1.3, 1);
	assert_int_equal(gain_take(&g), GAIN_TAKE_SET);
	free_runs();
}

TEST(leaner_but_slower_is_not_recommended)
{
	begin(6, 1.2, 0.9, 1.2, 0.7);
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	expect_said(true, "\nnot proved: next to glibc, 30 % less memory on average",
	    "\nstay with glibc: slab saves memory, but a run takes longer than --slower allows",
	    "\nnext: dmm compare ");
}

TEST(leaner_and_slower_is_taken_where_the_user_allows_it)
{
	begin(6, 1.2, 0.9, 1.2, 0.7);
	g.slower = -1;
	assert_int_equal(gain_take(&g), GAIN_TAKE_SET);
	g.slower = 0.25;
	expect_said(true, "\nproved: ", "20 % more time", "\nnext: dmm run --system=slab --conf=");
}

TEST(settings_that_make_a_slow_slab_quick_enough_are_taken_though_it_held_less)
{
	begin(6, 1.2, 0.7, 1, 0.8);
	assert_int_equal(gain_take(&g), GAIN_TAKE_SET);
	expect_said(true, "\nproved: next to glibc, 20 % less memory on average",
	    "\ntake slab with these settings.\n", "\nnext: dmm run --system=slab --conf=my.conf ");
}

TEST(slower_settings_leave_slab_as_it_comes)
{
	begin(6, 0.9, 0.8, 1.2, 0.7);
	assert_int_equal(gain_take(&g), GAIN_TAKE_OWN);
	expect_said(true, "\nthe settings are not proved, the design as it comes is; ",
	    "\ntake slab as it comes: with the settings a run takes longer than --slower allows.\n",
	    "\nnext: dmm run --system=slab -- ./job");
}

TEST(settings_that_cost_memory_are_not_to_be_used)
{
	begin(6, 1, 0.8, 1, 0.9);
	expect_said(false, "\ndo not use these settings: ",
	    "\ntake slab as it comes: with the settings it holds more memory.\n",
	    "\nnext: dmm run --system=slab -- ./job");
	begin(6, 1, 1.3, 1, 1.2);
	expect_said(false, "\ndo not use these settings: ", "\nstay with glibc: it holds less.",
	    "\nnext: dmm record -o other.dmm -- ./job 'a b'\n");
}

TEST(the_same_memory_in_less_time_is_a_gain_of_slab)
{
	begin(6, 0.8, 1, 0.8, 1);
	assert_int_equal(gain_take(&g), GAIN_TAKE_OWN);
	expect_said(true, "\nthe settings are not proved, the design as it comes is; ",
	    "\ntake slab as it comes: ",
	    "\nnext: dmm run --system=slab -- ./job");
}

TEST(no_difference_is_no_reason_to_change)
{
	begin(6, 1, 1, 1, 1);
	expect_said(true, "\nnot proved: ", "\nstay with glibc: the runs prove no gain. More runs",
	    "\nnext: dmm compare --runs=12 ");
}

TEST(few_runs_prove_nothing)
{
	begin(2, 1, 0.8, 1, 0.7);
	expect_said(true, "\nnot proved: ", "so few runs (2) prove nothing; give --runs=6",
	    "\nnext: dmm compare --runs=12 ");
}

TEST(where_nothing_was_found_slab_as_it_comes_is_judged)
{
	begin(6, 1, 0.8, 1, 1);
	without_settings();
	assert_int_equal(gain_take(&g), GAIN_TAKE_OWN);
	expect_said(true, "\nproved: ", "\ntake slab as it comes: no settings gain anything",
	    "\nnext: dmm run --system=slab -- ./job");
	begin(6, 1, 1.2, 1, 1);
	without_settings();
	expect_said(false, "\nnot proved: ", "\nstay with glibc: it holds less.",
	    "\nnext: dmm record ");
}

TEST(a_program_that_fails_on_the_settings_is_not_told_to_use_them)
{
	begin(6, 1, 0.8, 1, 0.7);
	fails(SET);
	expect_said(false, "not proved: SIGSEGV\n",
	    "\ntake slab as it comes: the program did not run to its end with the settings.\n",
	    "\nnext: dmm run --system=slab -- ./job");
	begin(6, 1, 0.8, 1, 0.7);
	fails(SET);
	fails(OWN);
	expect_said(false, "not proved: SIGSEGV\n",
	    "\nstay with glibc: a program that misuses malloc",
	    "\nnext: dmm run --system=hardened -- ./job");
}

TEST(a_program_that_fails_on_glibc_too_proves_nothing)
{
	begin(6, 1, 0.8, 1, 0.7);
	fails(GLIBC);
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	expect_said(true, "\nnot proved: the program did not run to its end on glibc\n",
	    "\nstay with glibc: no row can be compared with its; give a command that runs to its",
	    "\nnext: dmm compare ");
}

TEST(settings_that_another_recording_refutes_are_not_taken)
{
	begin(6, 1, 1, 1, 0.7);
	g.refuted = true;
	assert_int_equal(gain_take(&g), GAIN_TAKE_USUAL);
	expect_said(true, "\nnot proved: ",
	    "\nstay with glibc: on a recording that was not searched the settings hold more memory",
	    "\nnext: dmm compare ");
}
