/* room.c - see room.h. */
#include "slab/room.h"

#include "slab/guard_large.h"

enum { RUN_LOOKS = 4 };
struct room_class room_class[CLASS_MAX];
static const struct room unknown = {NULL, ROOM_UNKNOWN};

void room_begin(void)
{
	for (unsigned cls = CLASS_ZERO + 1; cls < class_count && hardening.guard_copy; cls++) {
		const uint32_t size = size_class[cls].size;
		const uint32_t margin = hardening.canary ? size / 8 + CANARY_LONG : 0;
		const uint64_t reciprocal = ((1ull << ROOM_SHIFT) + size - 1) / size;
		if (size_class[cls].granules == 1)
			room_class[cls] = (struct room_class){reciprocal, size, margin};
	}
}

/* The run whose first granule is `granule` or one of the few before it. In the middle of a larger
 * run the guard after it and the canary have to suffice: only a search leads from there to its
 * first granule. */
static struct room room_in_run(const void *p, size_t granule)
{
	for (size_t looks = 0; looks < RUN_LOOKS && granule > looks; looks++) {
		const struct slab *const s = slab_at(granule - looks);
		if (kind_of(s) != GRANULE_RUN)
			continue;
		const size_t all = (size_t)s->run << GRANULE_SHIFT;
		const size_t size = hardening.runs ? all - s->size : all;
		const char *const start = slab_start(s);
		const bool in = looks < s->run && ptr_diff(p, start) <= size;
		return in ? (struct room){start, size} : unknown;
	}
	return unknown;
}

struct room room_around(const void *p)
{
	const size_t off = (uintptr_t)p - root.base, granule = off >> GRANULE_SHIFT;

	if (off >> UNIT_SHIFT >= root.units || !hardening.guard_copy)
		return unknown;
	const uint32_t tag = tag_at(granule);
	if (tag_heap(tag) == 0)
		return room_in_run(p, granule);
	const unsigned cls = tag_class(tag);
	const size_t size = size_class[cls].size;
	const char *const start = slab_start(slab_covering(granule));
	const size_t index = ptr_diff(p, start) / size;
	const char *const object = start + index * size;
	if (index >= size_class[cls].count) /* the bytes after it may be inaccessible */
		return unknown;
	const bool told = hardening.canary && cls != CLASS_ZERO;
	const size_t slack = told ? canary_read(object, size).slack : 0;
	const size_t end = cls == CLASS_ZERO ? 0 : size - slack;

	return ptr_diff(p, object) > end ? unknown : (struct room){object, end};
}

bool room_fits_slow(const void *p, size_t n)
{
	const size_t room = room_at(p);
	return room == ROOM_UNKNOWN || n <= room;
}
