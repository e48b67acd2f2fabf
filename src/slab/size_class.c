/* size_class.c - the rule of size_class.h, carried out at start. */
#include "slab/size_class.h"

#include "base/assert.h"
#include "base/bits.h"
#include "slab/root.h"
#include "slab/settings.h"

struct size_class size_class[CLASS_MAX];
uint16_t small_place[SMALL_MAX / 16 + 1];
uint16_t medium_place[MEDIUM_MAX / 64 + 1];
uint8_t medium_class[CANARIED_MAX / 64 + 1];
int32_t small_at[SMALL_MAX + 1];
size_t small_below;
unsigned class_count;

static void add(unsigned size, unsigned granules)
{
	const unsigned step = size == 0 ? ZERO_SLOT : size;
	const bool wide = class_count != CLASS_ZERO && class_count < WIDE_CLASSES;
	const size_t room = wide ? MAGAZINE_OBJECTS_MAX : MAGAZINE_LARGE_OBJECTS;
	const size_t cached =
	    min_size(max_size(tuning.magazine_bytes / step, tuning.magazine_min_objects),
	        min_size(tuning.magazine_max_objects, room));

	size_class[class_count++] = (struct size_class){.size = step,
	    .count = (uint16_t)(granules * GRANULE / step), .granules = (uint8_t)granules,
	    .cached = (uint16_t)cached,
	    .given = (uint8_t)min_size(cached,
	        min_size(max_size(GIVEN_BYTES / step, GIVEN_LEAST), GIVEN_MOST))};
}

/* The largest size of which a slab holds n objects. */
static void add_divisor(unsigned granules, unsigned n)
{
	add(granules * GRANULE / n / 64 * 64, granules);
}

/* Above 2 KiB, up to MEDIUM_MAX: granules of a slab, and its objects. */
static const struct {
	uint8_t granules, count;
} above_2k[] = {{1, 7}, {3, 19}, {3, 17}, {1, 5}, {2, 9}, {1, 4}, {2, 7}, {3, 10}, {2, 6}, {3, 8},
    {2, 5},
    {4, 9}, {2, 4}, {4, 7}, {3, 5}, {2, 3}, {3, 4}, {4, 5}, {7, 8}, {3, 3}, {8, 7}, {5, 4}, {4, 3},
    {3, 2},
    {5, 3}, {7, 4}, {4, 2}};

/* place[i] serves (i - 1) * step + 1 to i * step bytes. */
static void fill(uint16_t *place, size_t most, size_t step)
{
	unsigned cls = 1;

	for (size_t i = 1; i <= most / step; i++) {
		while (size_class[cls].size < i * step)
			cls++;
		place[i] = (uint16_t)(cls * TAG_MAGAZINE);
	}
}

static void fill_classes(void)
{
	add(0, 1);
	for (unsigned size = 16; size <= LINEAR_MAX; size += 16)
		add(size, 1);
	for (unsigned size = 576; size <= 1024; size += 64)
		add(size, 1);
	for (unsigned n = 15; n >= 8; n--)
		add_divisor(1, n);
	for (size_t i = 0; i < sizeof above_2k / sizeof *above_2k; i++)
		add_divisor(above_2k[i].granules, above_2k[i].count);
	if (!hardening.canary)
		return;
	enum { GRANULES = 7 }; /* three objects */
	medium_class[CANARIED_MAX / 64] = (uint8_t)class_count;
	add(CANARIED_MAX, GRANULES);
}

/* The settings that the tables obey.  dmm replay and dmm tune start slab with one set of settings
 * after another in one process. */
static struct {
	size_t magazine_bytes;
	uint16_t magazine_min_objects, magazine_max_objects;
	bool canary;
} obeyed;

static bool obeys_settings(void)
{
	return class_count != 0 && obeyed.magazine_bytes == tuning.magazine_bytes &&
	    obeyed.magazine_min_objects == tuning.magazine_min_objects &&
	    obeyed.magazine_max_objects == tuning.magazine_max_objects &&
	    obeyed.canary == hardening.canary;
}

void size_class_init(bool hidden)
{
	if (!obeys_settings()) {
		obeyed.magazine_bytes = tuning.magazine_bytes;
		obeyed.magazine_min_objects = (uint16_t)tuning.magazine_min_objects;
		obeyed.magazine_max_objects = (uint16_t)tuning.magazine_max_objects;
		obeyed.canary = hardening.canary;
		class_count = 0;
		fill_classes();
		fill(small_place, SMALL_MAX, 16);
		fill(medium_place, MEDIUM_MAX, 64);
		for (size_t i = 0; i <= MEDIUM_MAX / 64; i++)
			medium_class[i] = (uint8_t)(medium_place[i] / TAG_MAGAZINE);
	}
	CHECK(class_of(SMALL_MAX) == SMALL_CLASSES - 1);
	for (size_t i = 0; i <= MEDIUM_MAX / 64; i++)
		medium_place[i] = hidden ? PLACE_NONE : (uint16_t)(medium_class[i] * TAG_MAGAZINE);
}

void size_class_point(uintptr_t from, size_t step)
{
	for (size_t n = 0; n <= SMALL_MAX; n++)
		small_at[n] = (int32_t)(from + class_of(n) * step);
	__atomic_store_n(&small_below, SMALL_MAX + 1, __ATOMIC_RELEASE);
}
