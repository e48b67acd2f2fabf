/* damage.c - what the checker says of a damaged heap, what trim reports, and which objects realloc
 * must not move. */
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "contract.h"
#include "test.h"

enum { OBJECTS = 40 };

/* One word is changed, and put back: does the checker see it?  It must then say which rule
 * broke. */
static bool is_seen(struct ground *g, uint64_t *word, uint64_t to, char rule[64])
{
	const uint64_t was = *word;
	struct dmm_fault why = {.rule = "(none)"};

	*word = to;
	const bool sound = heap_check(g->heap, &why);
	*word = was;
	if (!sound) {
		assert_string_not_equal(why.rule, "(none)");
		assert_true(why.found != why.wanted);
		snprintf(rule, 64, "%s", why.rule);
	}
	return !sound;
}

CONTRACT(a_damaged_size_in_a_header_is_named, DMM_INBAND)
{
	char rule[64];

	for (int i = 0; i < OBJECTS; i++)
		SOUND(shadow_malloc(&g->shadow, 1 + (size_t)i * 40));
	/* A chunk of 16 bytes is one with min_chunk:16, and an object of a run has no header. */
	const size_t least =
	    g->params == NULL ? 0 : max_size(g->params->min_chunk, g->params->runs);
	for (size_t i = least != 0 ? least / 40 + 1 : 0; i + 1 < OBJECTS; i++) {
		uint64_t *const p = (uint64_t *)g->shadow.objects[i].p;
		/* whose size is in front */
		uint64_t *const head = p[-1] > 15 && p[-1] < 1 << 20 ? p - 1 : p - 2;
		assert_true(is_seen(g, head, (*head & 15) + 16, rule)); /* this one is larger */
		assert_non_null(strpbrk(rule, "1234"));
		assert_true(strstr(rule, "aligned") != NULL || strstr(rule, "mirrored") != NULL);
		assert_true(is_seen(g, head, *head + ((uint64_t)1 << 40), rule)); /* or so large */
	}
	ALL_SOUND();
}

CONTRACT(a_link_that_leads_out_of_the_heap_is_not_followed, DMM_INBAND | DMM_FREES)
{
	char rule[64];

	if (g->params != NULL && g->params->coalesce == DMM_COALESCE_DEFERRED)
		return; /* what waits to be merged is in no list yet */
	for (int i = 0; i < OBJECTS; i++)
		SOUND(shadow_malloc(&g->shadow, 400)); /* in no run */
	uint64_t *const p = (uint64_t *)g->shadow.objects[OBJECTS / 2].p;
	SOUND(shadow_free(&g->shadow, OBJECTS / 2));
	if (g->sys->traits & DMM_USES_BRK) /* a mapping of its own is gone by now */
		assert_true(is_seen(g, p - 1, 0x7000deadbee0, rule) ||
		    is_seen(g, p, 0x7000deadbee0, rule));
	ALL_SOUND();
}

CONTRACT_EXCEPT(trim_tells_how_much_it_gave_back, DMM_RETURNS, DMM_SINGLETON)
{
	for (size_t n = 100; n < 400000; n = n * 3 / 2)
		for (int i = 0; i < 10; i++)
			SOUND(shadow_malloc(&g->shadow, n));
	SOUND(shadow_free_all(&g->shadow));
	const size_t before = stage_owned(&g->stage);
	const size_t back = heap_trim(g->heap, 0);
	if (before != SIZE_MAX)
		assert_int_equal(before - stage_owned(&g->stage), back);
	assert_int_equal(heap_trim(g->heap, 0), 0);
	ALL_SOUND();
}

CONTRACT(realloc_to_what_it_has_stays_where_it_is, 0)
{
	for (size_t n = 1; n < 600000; n = n * 5 / 3 + 1) {
		char *const p = heap_malloc(g->heap, n);
		assert_non_null(p);
		assert_ptr_equal(heap_realloc(g->heap, p, heap_usable(g->heap, p)), p);
		heap_free(g->heap, p);
	}
}
