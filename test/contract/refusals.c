/* refusals.c - the n-th call of a system to its os fails, for n = 1, 2, ... until a run makes fewer
 * calls. */
#include <errno.h>

#include "base/bits.h"
#include "base/rng.h"
#include "contract.h"
#include "test.h"

enum { CALLS_MAX = 20000 };

/* Growth, reuse, large and over-aligned objects, giving back: everything that makes system
 * calls. */
static void work(struct ground *g)
{
	struct shadow *const s = &g->shadow;
	struct rng r = {99};

	for (int i = 0; i < 40; i++)
		SOUND(shadow_malloc(s, rng_below(&r, 3000)));
	SOUND(shadow_calloc(s, 30, 5000));
	SOUND(shadow_malloc(s, 200000));
	SOUND(shadow_aligned(s, 65536, 10));
	SOUND(shadow_aligned(s, 4096, 100000));
	for (size_t i = 0; i < s->count; i += 2)
		SOUND(shadow_realloc(s, i, 1 + rng_below(&r, i % 8 == 0 ? 200000 : 2000)));
	for (size_t i = 0; i < s->count; i++)
		SOUND(shadow_free(s, i));
	heap_trim(g->heap, 0);
	SOUND(shadow_malloc(s, 500000));
	for (int i = 0; i < 20; i++)
		SOUND(shadow_malloc(s, rng_below(&r, 9000)));
	SOUND(shadow_free_all(s));
	heap_trim(g->heap, 0);
}

/* After refusals the heap is sound, and as soon as the os gives again, so does it. */
static void still_usable(struct ground *g)
{
	struct os_fault *const f = &g->stage.fault;

	f->fail_at = f->fail_from = f->budget_bytes = 0;
	ALL_SOUND();
	const uint64_t refused = g->shadow.refused;
	SOUND(shadow_malloc(&g->shadow, 100));
	SOUND(shadow_malloc(&g->shadow, 300000));
	SOUND(shadow_aligned(&g->shadow, 65536, 100));
	assert_int_equal(g->shadow.refused, refused);
	ALL_SOUND();
}

CONTRACT(the_nth_system_call_fails_for_every_n, 0)
{
	struct os_fault *const f = &g->stage.fault;
	uint64_t n = 0, refused;

	do {
		refused = f->refused;
		f->fail_at = f->calls + ++n;
		work(g);
		still_usable(g);
		SOUND(shadow_free_all(&g->shadow));
		ground_close(g);
		ground_open(g);
		assert_true(n < CALLS_MAX);
	} while (f->refused > refused);
	assert_true(n > 1); /* something was refused */
}

CONTRACT(every_system_call_from_the_nth_on_fails_for_every_n, 0)
{
	struct os_fault *const f = &g->stage.fault;
	uint64_t n = 0, refused;

	do {
		refused = f->refused;
		f->fail_from = f->calls + ++n;
		work(g);
		still_usable(g);
		ground_close(g);
		ground_open(g);
		assert_true(n < CALLS_MAX);
	} while (f->refused > refused);
	assert_true(n > 1);
}

CONTRACT(opening_with_the_nth_call_failing_leaves_nothing_behind, 0)
{
	struct os_fault *const f = &g->stage.fault;
	struct ground *const again = g;
	bool opened = false;

	ground_close(g);
	const size_t before = f->owned_bytes;
	for (uint64_t n = 1; !opened; n++) {
		f->fail_at = f->calls + n;
		const uint64_t refused = f->refused;
		const int r = heap_open(g->heap, g->sys, g->params, g->stage.os);
		opened = r == 0 && f->refused == refused;
		f->fail_at = 0;
		if (r == 0)
			heap_close(g->heap); /* a refused advice need not stop anybody */
		else
			assert_int_equal(r, -ENOMEM);
		assert_int_equal(f->owned_bytes, before);
		assert_true(n < 100);
	}
	ground_open(again);
}

CONTRACT(a_budget_ends_growth_and_freeing_makes_room_again, DMM_FREES)
{
	struct os_fault *const f = &g->stage.fault;
	const size_t budget = (size_t)4 << 20;

	f->budget_bytes = f->owned_bytes + budget;
	while (g->shadow.refused == 0 && g->shadow.count < 39000)
		SOUND(shadow_malloc(&g->shadow, 700));
	assert_true(g->shadow.refused == 1);
	ALL_SOUND();
	const size_t full = g->shadow.count;
	for (size_t i = full; i-- > 0;)
		if (i % 2 == 0)
			SOUND(shadow_free(&g->shadow, i));
	while (g->shadow.refused == 1)
		SOUND(shadow_malloc(&g->shadow, 700));
	assert_true(g->shadow.count >= full); /* each place was given out again */
	ALL_SOUND();
	f->budget_bytes = 0;
}

CONTRACT(realloc_that_is_refused_keeps_the_object, 0)
{
	struct os_fault *const f = &g->stage.fault;

	for (size_t n = 10; n < 400000; n *= 4)
		SOUND(shadow_malloc(&g->shadow, n));
	f->fail_from = f->calls + 1;
	for (size_t i = 0; i < g->shadow.count; i++)
		SOUND(shadow_realloc(&g->shadow, i, (size_t)1 << 30)); /* contents: S3, S5 */
	assert_true(g->shadow.refused >= g->shadow.count);
	f->fail_from = 0;
	ALL_SOUND();
}

/* Programs shorten without looking: what they have would do. */
CONTRACT(realloc_to_fewer_bytes_is_never_refused, 0)
{
	struct os_fault *const f = &g->stage.fault;

	for (size_t n = 10; n < 4000000; n *= 4)
		for (int k = 0; k < 3; k++)
			SOUND(shadow_malloc(&g->shadow, n));
	SOUND(shadow_aligned(&g->shadow, 65536, 100000));
	SOUND(shadow_aligned(&g->shadow, 4096, 100));
	f->fail_from = f->calls + 1;
	for (size_t part = 2; part <= 64; part *= 2)
		for (size_t i = 0; i < g->shadow.count; i++)
			SOUND(shadow_realloc(&g->shadow, i,
			    max_size(g->shadow.objects[i].n / part, 1)));
	assert_int_equal(g->shadow.refused, 0);
	f->fail_from = 0;
	ALL_SOUND();
}
