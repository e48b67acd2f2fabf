/* stats_test.c - medians, their exact intervals, and numbers for people. */
#include <math.h>
#include <string.h>

#include "compare/stats.h"
#include "test.h"
#include "cli/units.h"

#define NEAR(a, b) assert_true(fabs((a) - (b)) < 1e-9)

TEST(the_median_of_an_even_number_is_the_middle_of_the_two)
{
	const double v[] = {4, 1, 3, 2};
	const struct summary s = stats_summary(v, 4);
	NEAR(s.min, 1);
	NEAR(s.median, 2.5);
	NEAR(s.max, 4);
}

TEST(nothing_measured_is_not_a_number)
{
	assert_true(isnan(stats_summary(NULL, 0).median));
	assert_true(isnan(stats_ratio(NULL, NULL, 0).median));
}

/* Coverage is 1 - 2 P(Binomial(n, 1/2) <= cut): from tables. */
TEST(the_interval_covers_what_binomial_tables_say)
{
	static const struct {
		size_t n, cut;
		double coverage;
	} row[] = {{1, 0, 0}, {2, 0, 0.5}, {5, 0, 0.9375}, {6, 0, 0.96875}, {8, 0, 0.9921875},
	    {9, 1, 0.9609375}, {12, 2, 0.96142578125}, {20, 5, 0.95861053466796875}};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		double v[20], one[20];
		for (size_t k = 0; k < row[i].n; k++) {
			v[k] = (double)(row[i].n - k); /* n ... 1 */
			one[k] = 1;
		}
		const struct interval r = stats_ratio(v, one, row[i].n);
		NEAR(r.low, (double)row[i].cut + 1);
		NEAR(r.high, (double)(row[i].n - row[i].cut));
		NEAR(r.coverage, row[i].coverage);
	}
}

TEST(ratios_are_made_within_a_round)
{
	const double v[] = {2, 20, 200}, base[] = {1, 10, 100};
	const struct interval r = stats_ratio(v, base, 3);
	NEAR(r.low, 2);
	NEAR(r.high, 2);
}

TEST(many_runs_do_not_overflow)
{
	double v[STATS_RUNS_MAX], one[STATS_RUNS_MAX];
	for (int i = 0; i < STATS_RUNS_MAX; i++) {
		v[i] = i;
		one[i] = 1;
	}
	const struct interval r = stats_ratio(v, one, STATS_RUNS_MAX);
	assert_true(r.coverage >= 0.95 && r.coverage < 0.96);
	assert_true(r.low > 460 && r.high < 540);
}

TEST(numbers_have_three_digits_and_a_unit)
{
	char b[UNITS_LEN];
	assert_string_equal(units_bytes(b, 0), "0 B");
	assert_string_equal(units_bytes(b, 999), "999 B");
	assert_string_equal(units_bytes(b, 1000), "0.98 KiB");
	assert_string_equal(units_bytes(b, 45.13 * (1 << 20)), "45.1 MiB");
	assert_string_equal(units_seconds(b, 0.0853), "85.3 ms");
	assert_string_equal(units_seconds(b, 0.9999), "1.00 s");
	assert_string_equal(units_seconds(b, 123.4), "123 s");
	assert_string_equal(units_count(b, 12345), "12.3 k");
	assert_string_equal(units_change(b, 0.958, "time"), "4 % less time");
	assert_string_equal(units_change(b, 2.28, "time"), "2.28 times the time");
	assert_string_equal(units_change(b, 1.001, "memory"), "the same memory");
}
