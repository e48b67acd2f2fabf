/* profile_draw.c - see profile_draw.h. */
#include "slab/profile_draw.h"

#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "slab/settings.h"

__thread size_t profiler_left;
static __thread uint64_t drawn; /* the position of the next sample: position() + profiler_left */
static __thread struct rng rng;

/* Natural logarithm, x > 0: of a power of two, and of what is left, in [1, 2), by a series of
 * artanh. */
static double logarithm(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof bits);
	const int power = (int)(bits >> 52 & 0x7ff) - 1023;
	bits = (bits & ((1ull << 52) - 1)) | 1023ull << 52;
	memcpy(&x, &bits, sizeof x);
	const double z = (x - 1) / (x + 1), zz = z * z;
	double sum = 0;
	for (int i = 19; i > 0; i -= 2)
		sum = sum * zz + 1.0 / i;
	return power * 0.69314718055994531 + 2 * z * sum;
}

static size_t distance(void)
{
	const double uniform =
	    (double)((rng_next(&rng) >> 11) + 1) / (double)(1ull << 53); /* in (0, 1] */
	return (size_t)(-logarithm(uniform) * (double)sampling.mean);
}

/* Bytes that this thread has asked for so far. */
uint64_t profiler_position(void)
{
	return drawn - profiler_left;
}

static void draw(uint64_t now)
{
	profiler_left = distance();
	drawn = now + profiler_left;
}

/* The first time in a thread, its first distance is yet to be drawn. */
bool profiler_drawn(size_t n)
{
	if (rng.state == 0) {
		rng.state = settings_seed(0);
		draw(0);
		if (n <= profiler_left) {
			profiler_left -= n;
			return false;
		}
	}
	draw(profiler_position() + n);
	return true;
}

void profile_draw_close(void)
{
	profiler_left = 0;
	drawn = 0;
	rng.state = 0;
}

/* Children of one parent shall not all draw the same. */
void profile_draw_after_fork(void)
{
	if (rng.state != 0) {
		rng.state = settings_seed((uint64_t)getpid());
		draw(profiler_position());
	}
}
