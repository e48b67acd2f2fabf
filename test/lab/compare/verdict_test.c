/* verdict_test.c - the verdict says what the table says. */
#include <stdlib.h>
#include <string.h>

#include "compare/compare.h"
#include "test.h"

enum { RUNS = 6 };

static struct compare c;
static struct allocator allocators[8];

/* glibc and its twin, which are `apart` from each other in time, one way and the other. */
static void begin_apart(double apart)
{
	static const double glibc[RUNS] = {1.00, 1.01, 0.99, 1.00, 1.01, 0.99};

	c = (struct compare){.runs = RUNS};
	for (size_t i = 0; i < 2; i++) {
		struct row *const row = &c.row[c.rows++];
		*row = (struct row){.allocator = &allocators[i], .outcome = OUTCOME_FINE,
		    .rounds = RUNS,
		    .run = calloc(RUNS, sizeof *row->run)};
		allocators[i] = (struct allocator){.name = (char *)(i == 0 ? "glibc"
		    : "glibc-again")};
		for (size_t k = 0; k < RUNS; k++)
			row->run[k] = (struct run){.wall_s = glibc[k] * (i == 0 ? 1 : k % 2
			    ? 1 + apart : 1 - apart),
			    .peak_rss = 100 << 20, .mean_rss = 80 << 20, .end_rss = 60 << 20};
	}
}

static void begin(void)
{
	begin_apart(0.005);
}

/* Times are of glibc's in the same round. */
static struct row *add_with(const char *name, double ratio, double wobble, size_t peak_mib,
    size_t mean_mib,
    size_t end_mib)
{
	struct row *const row = &c.row[c.rows];

	*row = (struct row){.allocator = &allocators[c.rows], .outcome = OUTCOME_FINE,
	    .rounds = RUNS,
	    .run = calloc(RUNS, sizeof *row->run)};
	allocators[c.rows++] = (struct allocator){.name = (char *)name, .kind = KIND_PEER};
	for (size_t k = 0; k < RUNS; k++)
		row->run[k] = (struct run){.wall_s = c.row[0].run[k].wall_s *
		    (ratio + (k % 2 ? wobble : -wobble)),
		    .peak_rss = peak_mib << 20, .mean_rss = mean_mib << 20,
		    .end_rss = end_mib << 20};
	return row;
}

/* glibc has 100 MiB at the peak and 80 on average. */
static void add(const char *name, double ratio, double wobble, size_t mib)
{
	add_with(name, ratio, wobble, mib, mib * 8 / 10, mib * 6 / 10);
}

static void end(void)
{
	for (size_t i = 0; i < c.rows; i++)
		free(c.row[i].run);
}

static void says(const char *words, bool wanted)
{
	char *const verdict = verdict_text(&c, false);

	if ((strstr(verdict, words) != NULL) != wanted)
		fail_msg("'%s' %s in '%s'", words, wanted ? "is not" : "is", verdict);
	free(verdict);
}

static void expect(const char *best, const char *words)
{
	verdict_digest(&c);
	assert_string_equal(verdict_best(&c, false)->allocator->name, best);
	says(words, true);
	end();
}

TEST(who_is_faster_than_glibc_is_named_though_another_is_as_fast_now_and_then)
{
	begin();
	c.by = BY_TIME;
	add("wavering", 0.90, 0.12, 105); /* the fastest by its median; its interval holds 1 */
	add("steady", 0.92, 0.001, 110);
	expect("steady", "Take steady: ");
}

TEST(of_those_who_are_faster_the_leanest_is_named)
{
	begin();
	c.by = BY_TIME;
	add("large", 0.800, 0.001, 120);
	add("lean", 0.802, 0.001, 90);
	add("slow", 1.2, 0.001, 50);
	expect("lean", "Fastest: large, lean within noise;");
}

TEST(nothing_beats_glibc_where_nobody_is_faster_or_much_leaner)
{
	begin();
	c.by = BY_TIME;
	add("same", 0.999, 0.01, 99);
	add("slower", 1.1, 0.001, 60);
	expect("glibc", "Stay with glibc: no other allocator is faster by 5 %");
}

TEST(as_fast_and_leaner_is_a_gain)
{
	begin();
	add("lean", 1.001, 0.01, 80);
	expect("lean", "Take lean: against glibc 20 % less memory at the peak, 20 % less memory "
	    "on average");
}

TEST(memory_that_comes_back_is_seen_though_the_peak_is_the_same)
{
	begin();
	add_with("giver", 1.001, 0.01, 100, 20, 5);
	expect("giver", "Take giver: against glibc 75 % less memory on average, 92 % less memory "
	    "at the end.");
}

TEST(what_the_best_gives_up_is_told)
{
	begin();
	c.by = BY_TIME;
	add("quick", 0.70, 0.001, 200);
	add("lean", 1.3, 0.001, 50);
	expect("quick", "Its price: against lean 4 times the memory at the peak, against lean 4 "
	    "times");
}

TEST(the_figure_that_was_asked_for_decides_first)
{
	begin();
	add("quick", 0.70, 0.001, 200);
	add("lean", 1.3, 0.001, 50);
	c.by = BY_MEAN;
	expect("lean", "Its price: against quick 86 % more time.");
}

TEST(a_figure_in_which_glibc_differs_from_itself_by_more_than_a_quarter_gets_no_verdict)
{
	begin_apart(0.8);
	c.by = BY_TIME;
	add("quick", 0.4, 0.001, 100);
	add("lean", 2.5, 0.001, 50);
	verdict_digest(&c);
	assert_string_equal(verdict_best(&c, false)->allocator->name, "lean");
	    /* by memory, which can be judged */
	says("No verdict on time: glibc differs from itself by up to 8", true);
	says("Fastest", false);
	end();
}

TEST(nobody_is_told_to_be_slower_than_glibc_and_as_fast_as_the_best)
{
	begin_apart(0.04);
	add("best", 0.99, 0.03, 60);
	add("slower", 1.05, 0.001, 60);
	verdict_digest(&c);
	says("Fastest: best", true);
	says("Fastest: best, slower", false);
	says("Fastest: best, glibc within noise", true);
	end();
}

TEST(whoever_ties_with_the_leanest_is_named_beside_it)
{
	begin();
	add("one", 1.2, 0.001, 50);
	add("other", 1.3, 0.001, 50);
	verdict_digest(&c);
	says("leanest at the peak: one, other within noise", true);
	end();
}

TEST(runs_too_short_to_be_looked_at_are_judged_by_time_and_peak)
{
	begin();
	add_with("lean", 1.001, 0.01, 50, 0, 0);
	for (size_t i = 0; i < c.rows; i++)
		for (size_t k = 0; k < RUNS; k++)
			c.row[i].run[k].mean_rss = c.row[i].run[k].end_rss = 0;
	expect("lean", "leanest at the peak: lean.");
}

TEST(time_and_memory_count_alike_unless_one_is_asked_for)
{
	begin();
	add_with("quick", 0.93, 0.001, 110, 90, 66);
	add_with("lean", 0.99, 0.001, 104, 58, 24);
	expect("lean", "Fastest: quick; leanest at the peak: glibc;");
}

TEST(nothing_is_taken_that_needs_as_much_time_and_memory_together)
{
	begin();
	add("quick", 0.50, 0.001, 300);
	add("lean", 3, 0.001, 50);
	expect("glibc", "Stay with glibc: no other allocator gains 3 % in time and memory "
	    "together");
}

TEST(two_percent_of_the_peak_decide_nothing_where_the_end_differs_by_much)
{
	begin_apart(0.8); /* no verdict on time */
	add_with("slab", 0.8, 0.3, 100, 80, 23);
	add_with("mimalloc", 0.78, 0.3, 97, 80, 66);
	verdict_digest(&c);
	assert_string_equal(verdict_best(&c, false)->allocator->name, "slab");
	says("By memory alone, take slab: against glibc 62 % less memory at the end.", true);
	says("Its price: against mimalloc 3 % more memory at the peak.", true);
	end();
}

TEST(a_few_percent_of_the_peak_alone_are_no_reason_to_change)
{
	begin_apart(0.8);
	add_with("mimalloc", 0.78, 0.3, 97, 80, 66);
	expect("glibc", "By memory alone, stay with glibc: no other allocator gains 3 % in memory");
}

TEST(a_few_percent_of_the_figure_that_was_asked_for_do_not_outweigh_the_others)
{
	begin();
	c.by = BY_TIME;
	add("quick", 0.97, 0.001, 300);
	add("lean", 1.001, 0.001, 60);
	expect("lean", "Fastest: quick;");
}

TEST(a_row_that_nobody_would_take_hides_no_other)
{
	begin();
	c.by = BY_TIME;
	add("quick", 0.954, 0.001, 300);
	add("lean", 1.006, 0.001, 50);
	expect("lean", "Fastest: quick;");
}

TEST(a_difference_within_the_noise_of_memory_does_not_count)
{
	begin();
	for (size_t k = 0; k < RUNS; k++)
		c.row[1].run[k].mean_rss = (k % 2 ? 88 : 72) << 20; /* +-10 % */
	add_with("leaner", 1.001, 0.01, 100, 73, 60);
	expect("glibc", "Stay with glibc");
}

TEST(the_other_figures_decide_where_the_one_that_was_asked_for_cannot_be_judged)
{
	begin();
	c.by = BY_END;
	for (size_t k = 0; k < RUNS; k++)
		c.row[1].run[k].end_rss = (k % 2 ? 20 : 100) << 20;
	add_with("quick", 0.7, 0.001, 100, 80, 30);
	expect("quick", "By the other figures, take quick: against glibc 30 % less time.");
}

static struct row *fail_last(struct row *row)
{
	row->outcome = OUTCOME_CRASHED;
	row->run[RUNS - 1].ending = ENDING_SIGNAL;
	return row;
}

TEST(glibc_is_not_recommended_where_it_failed_in_the_last_run)
{
	begin();
	fail_last(&c.row[0]);
	add("slower", 1.2, 0.001, 120);
	expect("slower", "Take slower: glibc did not run the program to its end.");
}

TEST(where_every_row_failed_none_is_recommended)
{
	begin();
	fail_last(&c.row[0]);
	fail_last(add_with("faster", 0.5, 0.001, 50, 40, 30));
	verdict_digest(&c);
	assert_null(verdict_best(&c, false));
	says("No verdict: glibc and all others failed at least once.", true);
	says("Not counted: glibc, faster.", true);
	says("ake ", false);
	says("tay ", false);
	end();
}

TEST(a_row_that_failed_in_the_last_run_is_not_taken)
{
	begin();
	fail_last(add_with("faster", 0.5, 0.001, 50, 40, 30));
	expect("glibc", "Stay with glibc: ");
}
