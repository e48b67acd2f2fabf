/* digest_test.c - the verdict says what the table says. */
#include <stdlib.h>
#include <string.h>

#include "compare/compare.h"
#include "test.h"

enum { RUNS = 6 };

static struct compare c;
static struct allocator allocators[8];

/* glibc and its twin, which are one part in 200 apart. */
static void begin(void)
{
	static const double glibc[RUNS] = {1.00, 1.01, 0.99, 1.00, 1.01, 0.99};

	c = (struct compare){.runs = RUNS};
	for (size_t i = 0; i < 2; i++) {
		struct row *const row = &c.row[c.rows++];
		*row = (struct row){.allocator = &allocators[i], .outcome = OUTCOME_FINE, .rounds = RUNS,
		    .run = calloc(RUNS, sizeof *row->run)};
		allocators[i] = (struct allocator){.name = (char *)(i == 0 ? "glibc" : "glibc-again")};
		for (size_t k = 0; k < RUNS; k++)
			row->run[k] = (struct run){.wall_s = glibc[k] * (i == 0 ? 1 : 1.005), .peak_rss = 100 << 20};
	}
}

/* Times are of glibc's in the same round. */
static void add(const char *name, double ratio, double wobble, size_t mib)
{
	struct row *const row = &c.row[c.rows];

	*row = (struct row){.allocator = &allocators[c.rows], .outcome = OUTCOME_FINE, .rounds = RUNS,
	    .run = calloc(RUNS, sizeof *row->run)};
	allocators[c.rows++] = (struct allocator){.name = (char *)name, .kind = KIND_PEER};
	for (size_t k = 0; k < RUNS; k++)
		row->run[k] = (struct run){.wall_s = c.row[0].run[k].wall_s * (ratio + (k % 2 ? wobble : -wobble)),
		    .peak_rss = mib << 20};
}

static void expect(const char *best, const char *words)
{
	digest(&c);
	char *const verdict = digest_verdict(&c, false);
	assert_string_equal(digest_best(&c, false)->allocator->name, best);
	if (strstr(verdict, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, verdict);
	free(verdict);
	for (size_t i = 0; i < c.rows; i++)
		free(c.row[i].run);
}

TEST(who_is_faster_than_glibc_is_named_though_another_is_as_fast_now_and_then)
{
	begin();
	add("wavering", 0.98, 0.03, 90); /* the fastest by its median; its interval holds 1 */
	add("steady", 0.99, 0.001, 108);
	expect("steady", "steady is best");
}

TEST(of_those_who_are_faster_the_leanest_is_named)
{
	begin();
	add("large", 0.800, 0.001, 120);
	add("lean", 0.802, 0.001, 90);
	add("slow", 1.2, 0.001, 50);
	expect("lean", "Within noise of it in time: large.");
}

TEST(nothing_beats_glibc_where_nobody_is_faster_or_much_leaner)
{
	begin();
	add("same", 0.999, 0.01, 99);
	add("slower", 1.1, 0.001, 60);
	expect("glibc", "nothing beats glibc");
}

TEST(as_fast_and_leaner_is_a_gain)
{
	begin();
	add("lean", 1.001, 0.01, 80);
	expect("lean", "no difference in time");
}
