/* slab_drawing.c - a heap of slab that never changes, drawn: the golden file is of the drawing
 * alone, and not of what slab does today.
 *
 *   granule  0      1..     unused, slabs of four classes, a large object, dirty, torn, unused
 */
#include <stdlib.h>
#include <string.h>

#include "show/draw_slab.h"

enum { GRANULE = 16384, WORDS = 16, GRANULES = 256, ALL = 100 };

static struct outside_view view;
static uint64_t masks[2 * WORDS * GRANULES];
static struct outside_run runs[GRANULES];
static struct outside_heap heaps[] = {
    {.number = 1, .kind = OUTSIDE_LATE},
    {.number = 2, .kind = OUTSIDE_THREAD, .tid = 4711, .name = "main"},
    {.number = 3, .kind = OUTSIDE_THREAD, .tid = 4712, .name = "a-worker-thread"},
    {.number = 4, .kind = OUTSIDE_IDLE},
    {.number = 5, .kind = OUTSIDE_THREAD, .pointer = 0x7f0012345740},
};

static struct outside_run *add(enum outside_kind kind, uint32_t count)
{
	struct outside_run *const last = view.run_count != 0 ? &runs[view.run_count - 1] : NULL;
	struct outside_run *const run = &runs[view.run_count++];

	*run = (struct outside_run){.granule = last != NULL ? last->granule + last->count : 0,
	    .count = count,
	    .kind = kind};
	return run;
}

/* Every `every`th object is live, from the first; the next `cached` are in a stack. */
static void add_slab(uint8_t cls, uint32_t size, uint32_t count, unsigned every, unsigned cached,
    uint32_t heap)
{
	struct outside_run *const run = add(OUTSIDE_IS_SLAB, count);
	struct outside_class *const c = &view.classes[cls];

	run->cls = cls;
	run->size = size;
	run->step = size / 16;
	run->objects = (uint16_t)(count * GRANULE / size);
	run->mask = view.mask_count;
	run->mask_words = count * WORDS;
	run->heap = heap;
	for (unsigned i = 0; i < run->objects; i++) {
		const size_t at = (size_t)i * run->step;
		const bool live = every != 0 && i % every == 0;
		run->live = (uint16_t)(run->live + live);
		if (live)
			masks[run->mask + at / 64] |= 1ull << at % 64;
		else if (run->cached < cached)
			run->cached++;
		else
			masks[run->mask + run->mask_words + at / 64] |= 1ull << at % 64;
	}
	view.mask_count += 2 * run->mask_words;
	view.slabs++;
	view.live_objects += run->live;
	c->size = size, c->slabs++, c->objects += run->objects, c->live += run->live,
	    c->cached += run->cached;
	c->held += count * GRANULE, c->resident += count * GRANULE;
	for (size_t i = 0; i < sizeof heaps / sizeof heaps[0]; i++)
		if (heaps[i].number == heap) {
			heaps[i].slabs++;
			heaps[i].live_bytes += (uint64_t)run->live * size;
			heaps[i].held += count * GRANULE;
		}
	view.bytes[OUTSIDE_LIVE] += (uint64_t)run->live * size;
	view.bytes[OUTSIDE_CACHED] += (uint64_t)run->cached * size;
	view.bytes[OUTSIDE_FREE] += (uint64_t)(run->objects - run->live - run->cached) * size;
	view.bytes[OUTSIDE_TAIL] += count * GRANULE - (uint64_t)run->objects * size;
}

static void make_view(void)
{
	view = (struct outside_view){.version = 1, .base = 0x7f1000000000, .granule = GRANULE,
	    .granules = GRANULES,
	    .heaps = heaps, .heap_count = sizeof heaps / sizeof heaps[0], .runs = runs,
	    .masks = masks,
	    .rss = 5u << 20};
	add(OUTSIDE_IS_UNUSED, 1);
	for (int i = 0; i < 10; i++)
		add_slab(1, 16, 1, 1, 0, 2);
	for (unsigned i = 0; i < 12; i++)
		add_slab(3, 48, 1, i % 5, i % 3 == 0 ? 20 : 0, i < 9 ? 2 : 3);
	add_slab(40, 1856, 4, 3, 0, 4);
	add_slab(60, 18688, 8, 6, 0, 5);
	view.large_objects = 1;
	view.bytes[OUTSIDE_LARGE] = (uint64_t)add(OUTSIDE_IS_LARGE, 20)->count * GRANULE;
	view.bytes[OUTSIDE_DIRTY] = (uint64_t)add(OUTSIDE_IS_DIRTY, 9)->count * GRANULE;
	view.bytes[OUTSIDE_TORN] = (uint64_t)add(OUTSIDE_IS_TORN, 1)->count * GRANULE;
	view.bytes[OUTSIDE_TABLES] = 92 * 1024;
	add(OUTSIDE_IS_UNUSED, GRANULES - runs[view.run_count - 1].granule - 1);
}

static void draw(const struct draw_style *s)
{
	const struct draw_label labels[] = {{(uintptr_t)view.base + 11 * GRANULE + 48, 40, "p"}};

	draw_slab_split(stdout, s, &view);
	draw_slab_classes(stdout, s, &view, SLAB_BY_SIZE, ALL);
	draw_slab_classes(stdout, s, &view, SLAB_BY_HELD, 4);
	draw_slab_heaps(stdout, s, &view, ALL);
	draw_slab_map(stdout, s, &view, view.base + 11 * GRANULE, 16);
	draw_slab_map(stdout, s, &view, 0, 1);
	draw_slab_legend(stdout, s, &view);
	draw_slab_objects(stdout, s, &view, 3, labels, 1, 4);
	draw_slab_objects(stdout, s, &view, 40, NULL, 0, 4);
	draw_slab_object_legend(stdout, s);
	puts("");
}

int main(void)
{
	make_view();
	draw(&(struct draw_style){.width = 80});
	draw(&(struct draw_style){.width = 40, .ascii = true});
	view.pages_known = true;
	view.resident[OUTSIDE_IS_SLAB] = 640 * 1024;
	view.resident_tables = 80 * 1024;
	draw(&(struct draw_style){.width = 100, .colour = true});
	return 0;
}
