/* sizes.c - malloc, free, usable_size, alignment. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "contract.h"
#include "emulated.h"
#include "test.h"

CONTRACT(every_size_is_aligned_usable_and_its_own, 0)
{
	for (size_t n = 1; n <= 1500; n++)
		SOUND(shadow_malloc(&g->shadow, n));
	for (size_t n = 2000; n < 300000; n = n * 9 / 8)
		SOUND(shadow_malloc(&g->shadow, n));
	assert_int_equal(g->shadow.refused, 0);
	ALL_SOUND();
}

CONTRACT(sizes_around_pages_and_powers_of_two, 0)
{
	for (size_t p = 16; p <= (size_t)1 << 22; p *= 2)
		for (size_t d = 0; d <= 80; d += 8)
			SOUND(shadow_malloc(&g->shadow, p + d - min_size(p - 1, 40)));
	assert_int_equal(g->shadow.refused, 0);
	ALL_SOUND();
}

CONTRACT_EXCEPT(malloc_of_zero_is_unique_and_freeable, 0, DMM_ZERO_IS_NULL)
{
	for (int i = 0; i < 100; i++)
		SOUND(shadow_malloc(&g->shadow, 0));
	assert_int_equal(g->shadow.count, 100); /* at 100 addresses: S2 */
	ALL_SOUND();
	SOUND(shadow_free_all(&g->shadow));
	ALL_SOUND();
}

CONTRACT(malloc_of_zero_is_null_without_an_error, DMM_ZERO_IS_NULL)
{
	errno = EBADF;
	assert_null(heap_malloc(g->heap, 0));
	assert_int_equal(errno, EBADF);
	assert_null(heap_calloc(g->heap, 0, 10));
	assert_null(heap_calloc(g->heap, 10, 0));
	assert_int_equal(errno, EBADF);
}

CONTRACT(what_no_heap_can_meet_is_refused_with_enomem, 0)
{
	static const size_t absurd[] = {DMM_SIZE_MAX + 1, DMM_SIZE_MAX, DMM_SIZE_MAX - 1,
	    DMM_SIZE_MAX - 15, DMM_SIZE_MAX - 16, DMM_SIZE_MAX - 17, DMM_SIZE_MAX - 4096, SIZE_MAX,
	    SIZE_MAX - 15, SIZE_MAX - 16, SIZE_MAX - 64, SIZE_MAX - 4096, (size_t)1 << 62};

	SOUND(shadow_malloc(&g->shadow, 100));
	for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
		const uint64_t before = g->shadow.refused;
		SOUND(shadow_malloc(&g->shadow, absurd[i]));
		SOUND(shadow_realloc(&g->shadow, 0, absurd[i]));
		for (size_t align = 16; align <= (size_t)1 << 40; align *= 256)
			SOUND(shadow_aligned(&g->shadow, align, absurd[i]));
		assert_int_equal(g->shadow.refused - before, 2 + 5);
		ALL_SOUND();
	}
	SOUND(shadow_malloc(&g->shadow, 100));
	assert_int_equal(g->shadow.count, 2);
}

CONTRACT(free_keeps_errno_and_takes_null, 0)
{
	heap_free(g->heap, NULL);
	assert_int_equal(heap_usable(g->heap, NULL), 0);
	for (size_t n = 1; n < 1000000; n *= 3)
		SOUND(shadow_malloc(&g->shadow, n));
	SOUND(shadow_free_all(&g->shadow)); /* S5 looks at errno after each */
}

/* ---- alignment */

CONTRACT(every_alignment_from_1_byte_to_1_gib, 0)
{
	static const size_t sizes[] = {0, 1, 100, 5000};

	for (size_t align = 1; align <= (size_t)1 << 30; align *= 2)
		for (size_t i = 0; i < 4; i++)
			if (sizes[i] > 0 || !(g->sys->traits & DMM_ZERO_IS_NULL))
				SOUND(shadow_aligned(&g->shadow, align, sizes[i]));
	assert_int_equal(g->shadow.refused, 0);
	ALL_SOUND();
	while (g->shadow.count > 0)
		SOUND(shadow_free(&g->shadow, g->shadow.count / 2));
	ALL_SOUND();
}

CONTRACT(a_bad_alignment_is_einval_and_changes_nothing, 0)
{
	static const size_t bad[] = {0, 3, 12, 48, SIZE_MAX, (size_t)-16};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		errno = 0;
		assert_null(heap_aligned(g->heap, bad[i], 100));
		assert_int_equal(errno, EINVAL);
	}
	ALL_SOUND();
}

CONTRACT(an_alignment_that_no_address_has_is_refused_with_enomem, 0)
{
	static const size_t sizes[] = {1, 4096, DMM_SIZE_MAX, DMM_SIZE_MAX - 1, DMM_SIZE_MAX - 15,
	    DMM_SIZE_MAX - 16,
	    DMM_SIZE_MAX - 32, DMM_SIZE_MAX - 4096, (size_t)1 << 62};

	for (size_t align = (size_t)1 << 61; align != 0; align *= 2)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			errno = 0;
			assert_null(heap_aligned(g->heap, align, sizes[i]));
			assert_int_equal(errno, ENOMEM);
		}
	ALL_SOUND();
}

CONTRACT(an_aligned_object_can_be_resized, 0)
{
	for (size_t align = 32; align <= 65536; align *= 2) {
		SOUND(shadow_malloc(&g->shadow, align / 3)); /* so that offsets differ */
		SOUND(shadow_aligned(&g->shadow, align, 700));
	}
	for (size_t i = 0; i < g->shadow.count; i++)
		SOUND(shadow_realloc(&g->shadow, i, 300 + 50 * i));
	ALL_SOUND();
}

/* ---- what traits promise */

CONTRACT(freed_memory_is_given_out_again, DMM_FREES)
{
	size_t settled = 0;

	for (int round = 0; round < 1000; round++) {
		for (size_t i = 1; i <= 8; i++)
			SOUND(shadow_malloc(&g->shadow, 100 * i));
		SOUND(shadow_free_all(&g->shadow));
		if (round == 100)
			settled = stage_owned(&g->stage);
	}
	assert_true(stage_owned(&g->stage) <= settled);
}

CONTRACT(neighbours_merge_so_that_a_large_object_fits_where_small_ones_were, DMM_COALESCES)
{
	enum { SMALL = 400, LEN = 200 };
	const struct dmm_params *const p = g->params != NULL ? g->params : &g->sys->defaults;
	/* from the threshold on it would get a mapping of its own, whatever has merged */
	const size_t large = p->mmap_threshold == 0 ? SMALL / 2 * LEN
	                                            : min_size(SMALL / 2 * LEN,
	                                            p->mmap_threshold / 2);

	for (int order = 0; order < 3; order++) {
		for (int i = 0; i < SMALL; i++)
			SOUND(shadow_malloc(&g->shadow, LEN));
		const size_t full = stage_owned(&g->stage);
		while (g->shadow.count > 0)
			SOUND(shadow_free(&g->shadow,
			    order == 0 ? 0 : order == 1 ? g->shadow.count - 1
			    : g->shadow.count / 2));
		SOUND(shadow_malloc(&g->shadow, large));
		assert_true(stage_owned(&g->stage) <= full);
		SOUND(shadow_free_all(&g->shadow));
		ALL_SOUND();
	}
}

/* Pages of this process in memory now, which a purge lowers even where addresses are kept. */
static size_t resident_pages(void)
{
	size_t all = 0, resident = 0;
	FILE *const f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%zu %zu", &all, &resident), 2);
	fclose(f);
	return resident;
}

CONTRACT(memory_goes_back_to_the_os, DMM_RETURNS)
{
	const size_t before = resident_pages();

	if (emulated())
		return; /* its statm tells of the emulator */
	for (int i = 0; i < 200; i++)
		SOUND(shadow_malloc(&g->shadow, 20000));
	for (int i = 0; i < 4000; i++)
		SOUND(shadow_malloc(&g->shadow, 1000));
	const size_t full = resident_pages();
	assert_true(full - before > 1500);
	SOUND(shadow_free_all(&g->shadow));
	heap_trim(g->heap, 0);
	ALL_SOUND();
	assert_true(resident_pages() - before < (full - before) / 4);
}
