/* size_class_test.c - every size to 1 MiB, every byte of a slab of every class, and what the
 * classes waste. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bits.h"
#include "os/os.h"
#include "slab/fast.h"
#include "slab/init.h"
#include "slab/place.h"
#include "slab/purge.h"
#include "test.h"

static void start(void)
{
	purge_by(PURGE_BY_CLOCK);
	assert_true(slab_start_up());
}

static size_t place_of_size(size_t n)
{
	return place_for(n);
}

TEST(every_size_fits_its_class_and_no_smaller_one)
{
	start();
	slab_free(slab_malloc(1)); /* from here the thread has a heap, and the table */
	for (size_t n = 0; n <= MEDIUM_MAX; n++) {
		const unsigned cls = class_of(n);
		assert_in_range(cls, 0, class_count - 1);
		assert_true(class_usable(cls) >= n);                      /* Z1 */
		assert_true(cls == 0 || class_usable(cls - 1) < n);       /* Z2 */
		/* the hit path's way */
		assert_int_equal(place_of_size(n), cls * sizeof(struct magazine));
	}
	for (size_t n = MEDIUM_MAX + 1; n <= 1 << 20; n++)
		assert_int_equal(place_of_size(n), PLACE_NONE);
}

TEST(every_class_is_aligned_and_its_objects_lie_within_the_slab)
{
	size_class_init(false);
	size_class_point(own_fixed(thread_cache), sizeof(struct magazine));
	assert_true(class_count < CLASS_MAX - 1); /* PLACE_NONE is the last place, and no class's */
	assert_int_equal(size_class[class_count - 1].size, MEDIUM_MAX);
	for (unsigned cls = 1; cls < class_count; cls++) {
		const struct size_class *const c = &size_class[cls];
		const size_t len = (size_t)c->granules * GRANULE;
		assert_int_equal(c->size % (c->size <= LINEAR_MAX ? 16 : 64), 0); /* Z3 */
		assert_true(c->size > LINEAR_MAX || c->size == 16 * cls);
		assert_true(c->size > size_class[cls - 1].size || cls == 1);
		assert_true((size_t)c->count * c->size <= len);
		assert_true(len - (size_t)c->count * c->size < c->size);
		assert_in_range(c->cached, 2, cls < WIDE_CLASSES ? MAGAZINE_OBJECTS_MAX
		                                                 : MAGAZINE_LARGE_OBJECTS);
	}
}

/* Bytes that n bytes occupy; of a run only the pages that n bytes reach are ever touched. */
static double given(size_t n)
{
	return n <= MEDIUM_MAX ? (double)class_usable(class_of(n)) : (double)round_up(n, 4096);
}

static double waste(size_t n)
{
	return 1 - (double)n / given(n);
}

/* Of the bytes given out for sizes of [from, to], each octave as often as another. */
static double average_waste(size_t from, size_t to)
{
	double asked = 0, got = 0;

	for (size_t n = from; n <= to; n++) {
		const double weight = log2((double)n + 1) - log2((double)n);
		asked += weight * (double)n;
		got += weight * given(n);
	}
	return 1 - asked / got;
}

TEST(classes_waste_at_most_an_eighth_and_about_a_twentieth_on_average)
{
	double worst = 0, tails = 0;
	size_t at = 0;

	size_class_init(false);
	size_class_point(own_fixed(thread_cache), sizeof(struct magazine));
	for (size_t n = 129; n <= 1 << 20; n++)
		if (waste(n) > worst)
			worst = waste(n), at = n;
	for (unsigned cls = 1; cls < class_count; cls++) {
		const double len = (double)size_class[cls].granules * GRANULE;
		const double tail = 1 - (double)size_class[cls].count * size_class[cls].size / len;
		tails = tail > tails ? tail : tails;
	}
	const double average = average_waste(1, MEDIUM_MAX);
	printf("%u classes; worst waste above 128 bytes %.2f %% (malloc(%zu)); of the bytes given "
	       "out for 1 byte to 32 KiB, octaves alike, %.2f %% (to 128 bytes %.2f %%); largest "
	       "tail of a slab %.2f %%\n",
	    class_count, 100 * worst, at, 100 * average, 100 * average_waste(1, 128), 100 * tails);
	assert_true(worst <= 0.125);
	assert_true(average < 0.054);
	assert_true(tails <= 0.125);
}

/* A slab of the class in which all objects are live, among `n` that are taken. */
static struct slab *full_slab(unsigned cls, void **object, size_t n)
{
	const size_t want = cls == CLASS_ZERO ? 0 : size_class[cls].size;

	for (size_t i = 0; i < n; i++) {
		object[i] = slab_malloc(want);
		assert_non_null(object[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct slab *const s = place_of(object[i]).slab;
		assert_non_null(s);
		assert_int_equal(s->cls, cls);
		size_t live = 0;
		for (unsigned k = 0; k < s->count; k++)
			live += object_live(slab_start(s) + (size_t)k * s->size);
		if (live == s->count)
			return s;
	}
	fail_msg("no slab of class %u is full", cls);
	return NULL;
}

static void look_at_every_byte(const struct slab *s)
{
	char *const from = slab_start(s);
	const size_t len = (size_t)s->granules * GRANULE, usable = slab_usable_size(s);

	for (size_t off = 0; off < len; off++) {
		const struct place at = place_of(from + off);
		if (off % s->size == 0 && off / s->size < s->count) {
			assert_ptr_equal(at.slab, s);
			assert_int_equal(at.size, usable);
			continue;
		}
		assert_null(at.slab);
		assert_false(at.freed);
		assert_false(free_hit(from + off, ANY_PLACE)); /* refused, and nothing changed */
	}
	for (unsigned k = 0; k < s->count; k++)
		assert_true(object_live(from + (size_t)k * s->size));
}

static void look_at_free_objects(const struct slab *s)
{
	for (unsigned k = 0; k < s->count; k++) {
		char *const p = slab_start(s) + (size_t)k * s->size;
		/* its stack was full */
		assert_true(free_hit(p, ANY_PLACE) || (slab_free_slow(p), true));
		assert_null(place_of(p).slab);
		assert_true(place_of(p).freed);
		assert_false(free_hit(p, ANY_PLACE));
	}
}

TEST(of_every_class_each_byte_of_a_slab_tells_whether_an_object_begins_there)
{
	static void *object[4 * GRANULE / 16];

	start();
	for (unsigned cls = 0; cls < class_count; cls++) {
		const size_t n = 3u * size_class[cls].count + MAGAZINE_BYTES / sizeof(void *);
		assert_true(n <= sizeof object / sizeof *object);
		const struct slab *const s = full_slab(cls, object, n);
		look_at_every_byte(s);
		const char *const from = slab_start(s),
		    *const to = from + (size_t)s->granules * GRANULE;
		for (size_t i = 0; i < n; i++) /* first the others, so that the slab stays */
			if ((char *)object[i] < from || (char *)object[i] >= to)
				slab_free(object[i]);
		void *const keeps = slab_malloc(cls == CLASS_ZERO ? 0 : size_class[cls].size);
		look_at_free_objects(s);
		slab_free(keeps);
	}
}

TEST(large_sizes_get_whole_granules_that_begin_on_one)
{
	start();
	for (size_t n = MEDIUM_MAX + 1; n <= 1 << 20; n += n % 997 + 1) {
		char *const p = slab_malloc(n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % GRANULE, 0);
		assert_int_equal(slab_usable(p), round_up(n, GRANULE));
		assert_null(place_of(p + 16).slab);
		assert_false(free_hit(p + 16, ANY_PLACE));
		assert_false(free_hit(p, ANY_PLACE)); /* a run is no slab: the slow path frees it */
		slab_free(p);
	}
}
