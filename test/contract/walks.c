/* walks.c - a walk of the heap visits every byte that the heap owns once, as one of four kinds. */
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "contract.h"
#include "test.h"

CONTRACT(a_fresh_heap_is_sound_and_accounts_for_what_it_took, 0)
{
	ALL_SOUND();
}

CONTRACT(pieces_sum_to_the_bytes_owned_after_every_operation, 0)
{
	struct rng r = {2024};

	for (int i = 0; i < 1500; i++) {
		const size_t n = rng_below(&r, i % 7 == 0 ? 150000 : 700);
		if (g->shadow.count > 0 && rng_below(&r, 100) < 48)
			SOUND(shadow_free(&g->shadow, rng_below(&r, g->shadow.count)));
		else
			SOUND(shadow_malloc(&g->shadow, n));
		SOUND(shadow_check(&g->shadow, stage_owned(&g->stage)));
	}
}

static int count_down(void *arg, const struct dmm_piece *piece)
{
	int *const left = arg;
	(void)piece;
	return --*left == 0 ? 42 : 0;
}

CONTRACT(a_visitor_ends_the_walk_and_its_word_is_returned, 0)
{
	for (int i = 0; i < 10; i++)
		SOUND(shadow_malloc(&g->shadow, 50));
	for (int stop = 1; stop <= 10; stop++) {
		int left = stop;
		assert_int_equal(heap_walk(g->heap, count_down, &left), 42);
		assert_int_equal(left, 0);
	}
	int never = -1;
	assert_int_equal(heap_walk(g->heap, count_down, &never), 0);
}

static int plausible(void *arg, const struct dmm_piece *piece)
{
	size_t *const live = arg;
	if (piece->kind > DMM_PAD || piece->bin < -1 || strlen(piece->what) == 0)
		return 1;
	*live += piece->kind == DMM_LIVE ? piece->len : 0;
	return 0;
}

CONTRACT(pieces_name_what_they_are, 0)
{
	size_t live = 0;
	for (size_t n = 1; n < 200000; n = n * 5 / 3 + 1)
		SOUND(shadow_malloc(&g->shadow, n));
	for (size_t i = 0; i < g->shadow.count; i++)
		SOUND(shadow_free(&g->shadow, i));
	assert_int_equal(heap_walk(g->heap, plausible, &live), 0);
	assert_true(live >= g->shadow.payload);
}

CONTRACT(walk_and_check_change_nothing, 0)
{
	for (size_t i = 0; i < 100; i++)
		SOUND(shadow_malloc(&g->shadow, 10 * i));
	for (size_t i = 0; i < 50; i++)
		SOUND(shadow_free(&g->shadow, i));
	const uint64_t calls = g->stage.fault.calls;
	const size_t owned = stage_owned(&g->stage);
	for (int i = 0; i < 10; i++)
		ALL_SOUND();
	assert_int_equal(g->stage.fault.calls, calls);
	assert_int_equal(stage_owned(&g->stage), owned);
}
