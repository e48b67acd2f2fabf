/* company.c - a heap beside other heaps, beside code that also moves the break, and in threads that
 * fork. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "contract.h"
#include "allocators/registry.h"
#include "test.h"

enum { HEAPS = 8 };

/* A little of everything on one heap. */
static void some_work(struct ground *g, struct shadow *s, struct rng *r, int operations)
{
	for (int i = 0; i < operations; i++) {
		bool sound;
		if (s->count > 0 && rng_below(r, 100) < 45)
			sound = shadow_free(s, rng_below(r, s->count));
		else if (s->count > 0 && rng_below(r, 100) < 20)
			sound = shadow_realloc(s, rng_below(r, s->count), 1 + rng_below(r, 2000));
		else
			sound = shadow_malloc(s, rng_below(r,
			    rng_below(r, 20) == 0 ? 200000 : 500));
		if (!sound)
			g->shadow.why = s->why;
		SOUND(sound);
	}
}

static void sound_heap(struct ground *g, struct shadow *s)
{
	const bool sound = shadow_check(s, SIZE_MAX) && shadow_contents(s);
	if (!sound)
		g->shadow.why = s->why;
	SOUND(sound);
}

/* Heaps of the systems given, taking turns on one os: each is a stranger to the others. */
static void take_turns(struct ground *g, const struct dmm_system *const systems[HEAPS])
{
	static struct heap heaps[HEAPS];
	static struct shadow shadows[HEAPS];
	struct rng r = {5};

	for (int i = 0; i < HEAPS; i++) {
		assert_int_equal(heap_open(&heaps[i], systems[i], NULL, g->stage.os), 0);
		assert_true(shadow_open(&shadows[i], &heaps[i], 4000));
	}
	for (int round = 0; round < 60; round++) {
		some_work(g, &shadows[rng_below(&r, HEAPS)], &r, 40);
		for (int i = 0; i < HEAPS; i++)
			sound_heap(g, &shadows[i]);
	}
	for (int k = 0; k < HEAPS; k++) { /* closed in another order than opened */
		const int i = (k * 3 + 2) % HEAPS;
		heap_close(&heaps[i]);
		shadow_close(&shadows[i]);
		for (int j = 0; j < HEAPS; j++)
			if (heaps[j].sys != NULL)
				sound_heap(g, &shadows[j]);
	}
}

CONTRACT_EXCEPT(eight_heaps_take_turns_on_one_os, 0, DMM_SINGLETON)
{
	const struct dmm_system *systems[HEAPS];
	for (int i = 0; i < HEAPS; i++)
		systems[i] = g->sys;
	ground_close(g);
	take_turns(g, systems);
}

CONTRACT_EXCEPT(heaps_of_all_systems_take_turns_on_one_os, 0, DMM_SINGLETON)
{
	const struct dmm_system *systems[HEAPS];
	const struct dmm_system *const *next = registry_systems();

	for (int i = 0; i < HEAPS; i++) {
		systems[i] = g->sys;
		while (i % 2 == 1 && *next != NULL && ((*next)->traits & DMM_SINGLETON))
			next++;
		if (i % 2 == 1 && *next != NULL)
			systems[i] = *next++;
	}
	ground_close(g);
	take_turns(g, systems);
}

CONTRACT_EXCEPT(heaps_on_separate_arenas_lie_apart_and_alike, 0, DMM_SINGLETON)
{
	static struct stage stages[HEAPS];
	static struct heap heaps[HEAPS];
	static struct shadow shadows[HEAPS];

	ground_close(g);
	for (unsigned i = 0; i < HEAPS; i++) {
		struct rng same = {77};
		assert_int_equal(stage_open_arena(&stages[i], 8 + i), 0);
		assert_int_equal(heap_open(&heaps[i], g->sys, g->params, stages[i].os), 0);
		assert_true(shadow_open(&shadows[i], &heaps[i], 4000));
		some_work(g, &shadows[i], &same, 300);
		assert_int_equal(shadows[i].count, shadows[0].count);
		for (size_t k = 0; k < shadows[i].count; k++) /* the same offsets in every arena */
			assert_int_equal(ptr_diff(shadows[i].objects[k].p, stages[i].arena.base),
			    ptr_diff(shadows[0].objects[k].p, stages[0].arena.base));
	}
	for (unsigned i = 0; i < HEAPS; i++) {
		sound_heap(g, &shadows[i]);
		heap_close(&heaps[i]);
		assert_int_equal(stage_owned(&stages[i]), 0);
		shadow_close(&shadows[i]);
		stage_close(&stages[i]);
	}
}

CONTRACT_EXCEPT(a_heap_can_be_closed_and_opened_again, 0, DMM_SINGLETON)
{
	struct rng r = {3};
	for (int i = 0; i < 50; i++) {
		some_work(g, &g->shadow, &r, 100);
		g->shadow.count = 0; /* closing takes live objects along */
		heap_close(g->heap);
		if (g->kind == ON_ARENA)
			assert_int_equal(stage_owned(&g->stage), 0);
		shadow_close(&g->shadow);
		ground_open(g);
	}
}

/* ---- strangers at the break */

CONTRACT(strangers_move_the_break_in_the_middle_and_keep_their_bytes, DMM_USES_BRK)
{
	struct rng r = {13};
	for (int i = 0; i < 60; i++) {
		stage_stranger(&g->stage, 16 * (1 + rng_below(&r, 1000)));
		some_work(g, &g->shadow, &r, 60);
		ALL_SOUND();
	}
	SOUND(shadow_free_all(&g->shadow));
	heap_trim(g->heap, 0);
	ALL_SOUND();
}

CONTRACT(strangers_leave_the_break_at_odd_addresses, DMM_USES_BRK)
{
	struct rng r = {14};
	for (int i = 0; i < 40; i++) {
		stage_stranger(&g->stage, 1 + rng_below(&r, 5000));
		some_work(g, &g->shadow, &r, 40);
		SOUND(shadow_check(&g->shadow, SIZE_MAX)); /* bytes up to alignment are nobody's */
		SOUND(shadow_contents(&g->shadow));
		assert_null(stage_strangers_hurt(&g->stage));
	}
	SOUND(shadow_free_all(&g->shadow));
	SOUND(shadow_check(&g->shadow, SIZE_MAX));
	heap_close(g->heap);
	shadow_close(&g->shadow);
	g->opened = false;
	assert_null(stage_strangers_hurt(&g->stage));
}

CONTRACT(a_stranger_between_every_two_growths, DMM_USES_BRK)
{
	for (size_t i = 0; i < STAGE_STRANGERS; i++) {
		stage_stranger(&g->stage, 16);
		SOUND(shadow_malloc(&g->shadow, 60000 + 100 * i));
		ALL_SOUND();
	}
	while (g->shadow.count > 0) {
		SOUND(shadow_free(&g->shadow, g->shadow.count / 2));
		ALL_SOUND();
	}
}

CONTRACT(a_break_that_cannot_move_refuses_or_goes_elsewhere, DMM_USES_BRK)
{
	if (g->kind != ON_ARENA)
		return; /* the real break has no wall that a test may build */
	SOUND(shadow_malloc(&g->shadow, 1000));
	char *const wall = g->stage.arena.heap_end;
	g->stage.arena.heap_end = g->stage.arena.brk; /* the section is full */
	for (int i = 0; i < 3000; i++)
		SOUND(shadow_malloc(&g->shadow, 200)); /* S5: NULL comes with ENOMEM */
	ALL_SOUND();
	if (!(g->sys->traits & DMM_USES_MAP))
		assert_true(g->shadow.refused > 0);
	g->stage.arena.heap_end = wall;
	const uint64_t refused = g->shadow.refused;
	SOUND(shadow_malloc(&g->shadow, 100000));
	assert_int_equal(g->shadow.refused, refused);
}
