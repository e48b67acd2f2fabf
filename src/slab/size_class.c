/* size_class.c - the rule of size_class.h, carried out once at start. */
#include "slab/size_class.h"

#include "slab/root.h"

struct size_class size_class[CLASS_MAX];
uint8_t small_class[SMALL_MAX / 16 + 1];
uint8_t medium_class[MEDIUM_MAX / 64 + 1];
unsigned class_count;

static void add(unsigned size, unsigned granules)
{
	const unsigned step = size == 0 ? ZERO_SLOT : size;
	const unsigned count = granules * GRANULE / step;

	size_class[class_count++] = (struct size_class){.size = step,
	    .inverse = (uint32_t)((((uint64_t)1 << 32) + step - 1) / step), .count = (uint16_t)count,
	    .granules = (uint8_t)granules, .words = (uint8_t)((count + 63) / 64)};
}

/* The sizes of a slab of `granules` that hold from, from - 1, ..., to objects. */
static void add_divisors(unsigned granules, unsigned from, unsigned to)
{
	for (unsigned n = from; n >= to; n--)
		add(granules * GRANULE / n / 64 * 64, granules);
}

void size_class_init(void)
{
	if (class_count != 0)
		return;
	add(0, 1);
	for (unsigned size = 16; size <= 256; size += 16)
		add(size, 1);
	for (unsigned size = 288; size <= 512; size += 32)
		add(size, 1);
	for (unsigned size = 576; size <= 1024; size += 64)
		add(size, 1);
	add_divisors(1, 15, 8);
	for (unsigned n = 28; n > 14; n -= n > 22 ? 3 : 2)
		add(4 * GRANULE / n / 64 * 64, 4);
	add_divisors(4, 14, 8);
	add_divisors(8, 14, 8);
	add_divisors(16, 14, 8);

	unsigned c = 1;
	for (size_t i = 1; i <= SMALL_MAX / 16; i++) {
		while (size_class[c].size < i * 16)
			c++;
		small_class[i] = (uint8_t)c;
	}
	c = 1;
	for (size_t i = 1; i <= MEDIUM_MAX / 64; i++) {
		while (size_class[c].size < i * 64)
			c++;
		medium_class[i] = (uint8_t)c;
	}
}
