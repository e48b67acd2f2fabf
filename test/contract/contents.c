/* contents.c - realloc and calloc: contents that must stay, and memory that must be zero. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "contract.h"
#include "test.h"

static const size_t sizes[] = {1, 8, 15, 16, 17, 24, 31, 32, 33, 48, 64, 100, 250, 500, 1000, 2000,
    4000, 4064, 4096, 5000, 9000, 20000, 65536, 131072, 140000, 300000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* The object of `n` bytes that was asked for last: patterns are numbered. */
static size_t newest(const struct ground *g)
{
	size_t i = 0;
	while (g->shadow.objects[i].tag != g->shadow.tag)
		i++;
	return i;
}

CONTRACT(realloc_from_every_size_to_every_size_keeps_contents, 0)
{
	for (size_t from = 0; from < SIZES; from++)
		for (size_t to = 0; to < SIZES; to++) {
			SOUND(shadow_malloc(&g->shadow, sizes[from]));
			SOUND(shadow_realloc(&g->shadow, newest(g), sizes[to]));
			SOUND(shadow_free(&g->shadow, newest(g)));
		}
	assert_int_equal(g->shadow.refused, 0);
	ALL_SOUND();
}

/* a | moved | b, where a and b are free or live: in place, over the next, over the previous. */
CONTRACT(realloc_beside_free_and_live_neighbours, 0)
{
	for (unsigned free_neighbours = 0; free_neighbours < 4; free_neighbours++)
		for (size_t from = 5; from < 16; from += 2)
			for (size_t to = 0; to < 18; to++) {
				size_t tags[3];
				for (size_t k = 0; k < 3; k++) {
					SOUND(shadow_malloc(&g->shadow, sizes[from]));
					tags[k] = g->shadow.tag;
				}
				for (size_t i = g->shadow.count; i-- > 0;) {
					const size_t tag = g->shadow.objects[i].tag;
					if ((tag == tags[0] && free_neighbours & 1) ||
					    (tag == tags[2] && free_neighbours & 2))
						SOUND(shadow_free(&g->shadow, i));
				}
				size_t middle = 0;
				while (g->shadow.objects[middle].tag != tags[1])
					middle++;
				SOUND(shadow_realloc(&g->shadow, middle, sizes[to]));
				ALL_SOUND();
				if (g->shadow.count > 40)
					SOUND(shadow_free_all(&g->shadow));
			}
}

CONTRACT(an_array_that_grows_by_realloc_keeps_all_of_it, 0)
{
	SOUND(shadow_malloc(&g->shadow, 8));
	for (size_t n = 16; n < 400000; n = n * 3 / 2) {
		SOUND(shadow_realloc(&g->shadow, newest(g), n));
		SOUND(shadow_malloc(&g->shadow, 24)); /* something in its way */
		SOUND(shadow_realloc(&g->shadow, newest(g), 40));
	}
	ALL_SOUND();
}

CONTRACT(realloc_to_zero_frees_and_of_null_allocates, 0)
{
	for (int i = 0; i < 100; i++) {
		void *const p = heap_realloc(g->heap, NULL, 1000);
		assert_non_null(p);
		memset(p, 1, heap_usable(g->heap, p));
		assert_null(heap_realloc(g->heap, p, 0));
	}
	SOUND(shadow_check(&g->shadow, stage_owned(&g->stage))); /* S8: nothing is live */
}

CONTRACT(calloc_is_zero_where_old_contents_lie, 0)
{
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < SIZES; i++)
			SOUND(shadow_malloc(&g->shadow, sizes[i])); /* paints */
		SOUND(shadow_free_all(&g->shadow));
		for (size_t i = 0; i < SIZES; i++)
			SOUND(shadow_calloc(&g->shadow, sizes[i], 1 + i % 3)); /* S4 */
		SOUND(shadow_free_all(&g->shadow));
	}
	ALL_SOUND();
}

CONTRACT(calloc_refuses_products_that_overflow, 0)
{
	static const size_t pairs[][2] = {{SIZE_MAX, 2}, {2, SIZE_MAX},
	    {(size_t)1 << 32, (size_t)1 << 32},
	    {((size_t)1 << 32) + 1, (size_t)1 << 32}, {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX, SIZE_MAX},
	    {DMM_SIZE_MAX / 2 + 1, 2}, {3, SIZE_MAX / 3 + 1}};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		errno = 0;
		assert_null(heap_calloc(g->heap, pairs[i][0], pairs[i][1]));
		assert_int_equal(errno, ENOMEM);
	}
	ALL_SOUND();
}
