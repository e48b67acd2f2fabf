/* size_class.c - the rule of size_class.h, carried out once at start. */
#include "slab/size_class.h"

#include "base/bits.h"
#include "slab/root.h"
#include "slab/settings.h"

struct size_class size_class[CLASS_MAX];
small_places small_place;
uint16_t medium_place[MEDIUM_MAX / 64 + 1];
unsigned class_count;

static void add(unsigned size, unsigned granules)
{
	const unsigned step = size == 0 ? ZERO_SLOT : size;
	const size_t cached = min_size(max_size(tuning.stack_bytes / step, tuning.stack_least_objects),
	    tuning.stack_most_objects);

	size_class[class_count++] = (struct size_class){.size = step,
	    .count = (uint16_t)(granules * GRANULE / step), .granules = (uint8_t)granules,
	    .cached = (uint8_t)cached};
}

/* The sizes of a slab of `granules` that hold from, from - 1, ..., to objects. */
static void add_divisors(unsigned granules, unsigned from, unsigned to)
{
	for (unsigned n = from; n >= to; n--)
		add(granules * GRANULE / n / 64 * 64, granules);
}

/* place[i] is for (i - 1) * step + 1 to i * step bytes. */
static void fill(uint16_t *place, size_t most, size_t step)
{
	unsigned cls = 1;

	for (size_t i = 1; i <= most / step; i++) {
		while (size_class[cls].size < i * step)
			cls++;
		place[i] = (uint16_t)(cls * TAG_STACK);
	}
}

void size_class_init(void)
{
	if (class_count != 0)
		return;
	add(0, 1);
	for (unsigned size = 16; size <= LINEAR_MAX; size += 16)
		add(size, 1);
	for (unsigned size = 576; size <= 1024; size += 64)
		add(size, 1);
	add_divisors(1, 15, 8);
	for (unsigned n = 28; n > 14; n -= 2)
		add(4 * GRANULE / n / 64 * 64, 4);
	add_divisors(4, 14, 8);
	add_divisors(8, 14, 8);
	add_divisors(16, 14, 8);

	fill(small_place, SMALL_MAX, 16);
	fill(medium_place, MEDIUM_MAX, 64);
}
