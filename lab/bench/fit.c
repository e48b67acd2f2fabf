/* fit.c - how a cost grows: the slope of a straight line through log n and log cost. */
#include <math.h>

#include "base/assert.h"
#include "bench/bench.h"

/* Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom. */
static const double student_t[GROWTH_POINTS_MAX] = {12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
    2.306, 2.262, 2.228, 2.201, 2.179};

struct growth growth_fit(const double *n, const double *cost, size_t points, const char *unit)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, residual = 0;

	CHECK(points >= 3 && points <= GROWTH_POINTS_MAX);
	for (size_t i = 0; i < points; i++) {
		const double x = log(n[i]), y = log(fmax(cost[i], 1e-12));
		sx += x, sy += y, sxx += x * x, sxy += x * y;
	}
	const double count = (double)points;
	const double spread = sxx - sx * sx / count;
	const double slope = (sxy - sx * sy / count) / spread;
	const double start = (sy - slope * sx) / count;
	for (size_t i = 0; i < points; i++) {
		const double off = log(fmax(cost[i], 1e-12)) - start - slope * log(n[i]);
		residual += off * off;
	}
	const double wide = student_t[points - 3] * sqrt(residual / (count - 2) / spread);
	return (struct growth){slope, slope - wide, slope + wide, n[0], n[points - 1], cost[0],
	    cost[points - 1], unit};
}
