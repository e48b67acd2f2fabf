/* profile_draw.c - see profile_draw.h. */
#include "slab/profile_draw.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "os/ticks.h"
#include "slab/heap.h"

__thread int64_t profiler_left;
static __thread uint64_t drawn;  /* profiler_left was this, plus what is asked for by then */
static __thread bool begun;      /* is the first distance drawn? */
static __thread uint64_t looked; /* times that a stack was looked at */
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

/* Bytes to the next sample: exponential. */
static int64_t distance(void)
{
	if (rng.state == 0)
		rng.state = settings_seed(0);
	const double uniform =
	    (double)((rng_next(&rng) >> 11) + 1) / (double)(1ull << 53); /* in (0, 1] */
	return (int64_t)(-logarithm(uniform) * (double)sampling.mean);
}

/* ---- larger objects -------------------------------------------------------------------------- */

/* Bytes of them that this thread has asked for, and what its first distance began with. */
static uint64_t position(void)
{
	return drawn - (uint64_t)profiler_left;
}

/* If negative, profiler_left says how far beyond the sample's position the object ends. */
static void draw(void)
{
	const uint64_t now = position();
	const int64_t d = distance();

	drawn = now + (uint64_t)d;
	profiler_left = d;
}

/* In a thread's first call its first distance is yet to be drawn. */
bool profiler_drawn(void)
{
	const int64_t asked = -profiler_left;

	draw();
	if (begun)
		return true;
	begun = true;
	profiler_left -= asked;
	if (profiler_left >= 0)
		return false;
	draw();
	return true;
}

/* ---- small objects --------------------------------------------------------------------------- */

static int64_t draw_mallocs(unsigned cls)
{
	return distance() / size_class[cls].size + 1;
}

/* n objects out of the heap's slabs, to the bottom of the empty stack; how many were there? */
static size_t take(struct slab_heap *h, unsigned cls, size_t n)
{
	void **const bottom = given_bottom(h, cls), **const end = bottom + n;

	lock_take(&h->lock);
	void **const at = heap_take_objects(h, cls, end, bottom);
	lock_give(&h->lock);
	if (at != bottom)
		memmove(bottom, at, (size_t)(end - at) * sizeof *at);
	return (size_t)(end - at);
}

/* Fill the empty stack with at most n objects; returns their number. They are the next ones of the
 * magazine and, if it holds fewer than half of n, others below them: otherwise, while the program
 * frees less than it allocates, each fill would take fewer. */
static size_t give(struct thread_cache *tc, unsigned cls, size_t n)
{
	struct magazine *const k = &tc->magazine[cls];
	void **const bottom = given_bottom(tc->heap, cls);
	size_t count = min_size(n, (size_t)(k->top - magazine_bottom(tc->heap, cls, k)));
	const size_t below = count < n / 2 && count > 0 ? take(tc->heap, cls, n - count) : 0;

	/* a signal handler may have taken from the magazine meanwhile */
	count = min_size(count, (size_t)(k->top - magazine_bottom(tc->heap, cls, k)));

	/* in this order: a child of fork() finds no object in both places */
	k->top -= count;
	atomic_signal_fence(memory_order_release);
	memmove(bottom + below, k->top, count * sizeof *bottom);
	atomic_signal_fence(memory_order_release);
	tc->given[cls] = bottom + below + count;
	return below + count;
}

enum given given_next(unsigned cls)
{
	struct thread_cache *const tc = &thread_cache;
	int64_t *const left = &mallocs_left(tc->heap)[cls];
	int64_t until = *left;

	CHECK(cls < SMALL_CLASSES && !given_none(tc, cls));
	looked++;
	if (unlikely(until == GIVEN_BUSY))
		return GIVEN_OTHER;
	if (unlikely(tc->given[cls][-1] != NULL))
		return GIVEN_OBJECT;
	*left = GIVEN_BUSY;
	atomic_signal_fence(memory_order_seq_cst);
	if (unlikely(until == 0))
		until = draw_mallocs(cls);
	enum given next = GIVEN_SAMPLE;
	if (unlikely(until == 1)) {
		until = draw_mallocs(cls);
	} else {
		const size_t most = size_class[cls].given;
		const size_t count = give(tc, cls, min_size(most, (size_t)until - 1));
		next = likely(count != 0) ? GIVEN_OBJECT : GIVEN_OTHER;
		until -= (int64_t)max_size(count, 1);
	}
	atomic_signal_fence(memory_order_seq_cst);
	*left = until;
	return next;
}

void given_attach(struct thread_cache *tc, struct slab_heap *h)
{
	memset(mallocs_left(h), 0, SMALL_CLASSES * sizeof(int64_t));
	for (unsigned cls = 0; cls < SMALL_CLASSES; cls++)
		tc->given[cls] = given_bottom(h, cls);
}

/* ---- for the rest ---------------------------------------------------------------------------- */

struct profile_moment profile_moment(void)
{
	struct profile_moment m = {.missed = position() + looked};

	for (unsigned cls = 0; cls < SMALL_CLASSES; cls++)
		m.given += (uintptr_t)thread_cache.given[cls];
	return m;
}

void profile_draw_close(void)
{
	profiler_left = 0;
	drawn = looked = 0;
	begun = false;
	rng.state = 0;
}

/* Children of one parent shall not all draw the same. */
void profile_draw_after_fork(void)
{
	if (rng.state == 0)
		return;
	rng.state = settings_seed(os_ticks());
	if (begun)
		draw();
	if (!given_on() || thread_cache.heap == NULL)
		return;
	int64_t *const left = mallocs_left(thread_cache.heap);
	for (unsigned cls = 0; cls < SMALL_CLASSES; cls++)
		left[cls] = left[cls] == GIVEN_BUSY ? GIVEN_BUSY : 0;
}
