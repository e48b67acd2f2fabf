/* place.c - see place.h. */
#include "slab/place.h"

#include <string.h>

#include "base/crash.h"
#include "slab/guarded.h"
#include "slab/mapped.h"
#include "slab/misuse.h"

/* The place that place_outside() reports for an object: no slab, and no class. */
static struct slab no_slab = {.cls = CLASS_MAPPED};

static struct place run_place(struct slab *s, size_t off)
{
	const size_t size = (size_t)s->run << GRANULE_SHIFT;
	const bool starts = off % GRANULE == 0;

	if (kind_of(s) == GRANULE_FREED)
		return (struct place){.size = size, .freed = starts};
	return starts ? (struct place){.slab = s, .size = size} : (struct place){.size = size};
}

/* The slab that covers a granule, or covered it, if its first granule still says so. */
static struct slab *slab_or_what_it_was(size_t granule)
{
	struct slab *const s = slab_covering(granule);

	if (kind_of(s) != GRANULE_FREED_REST)
		return s;
	struct slab *const head = slab_at(s->head);
	const bool tells = kind_of(head) == GRANULE_FREED && head->cls != CLASS_RUN &&
	    granule < s->head + head->granules;
	return tells ? head : s;
}

struct place place_of(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	if (off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE))
		return (struct place){0};
	const uint32_t tag = tag_at(off >> GRANULE_SHIFT);
	if (likely(tag_heap(tag) != 0 && off % MAX_ALIGN == 0 && object_live(p)))
		return (struct place){.slab = slab_covering(off >> GRANULE_SHIFT),
		    .size = class_usable(tag_class(tag))};

	struct slab *const s = slab_or_what_it_was(off >> GRANULE_SHIFT);
	const enum granule_kind kind = kind_of(s);
	if (kind != GRANULE_SLAB && kind != GRANULE_RUN && kind != GRANULE_FREED)
		return (struct place){0};
	if (s->cls == CLASS_RUN)
		return run_place(s, off);
	const size_t within = (uintptr_t)p - (uintptr_t)slab_start(s), size = slab_usable_size(s);
	const bool starts = within % s->size == 0 && within / s->size < s->count;
	return (struct place){.size = size, .freed = starts};
}

struct place place_outside(const char *call, const void *p)
{
	const size_t len = mapped_size(p);

	return len != 0 ? (struct place){.slab = &no_slab, .size = len} : guarded_place(call, p);
}

/* The live run around p, or NULL. Only a run's first granule identifies it; the others may hold old
 * data. */
static const struct slab *run_around(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE))
		return NULL;
	for (uint32_t g = (uint32_t)(off >> GRANULE_SHIFT), first = g; first > 0; first--) {
		const struct slab *const s = slab_at(first);
		if (kind_of(s) == GRANULE_RUN)
			return first + s->run > g && off != (size_t)first << GRANULE_SHIFT ? s
			                                                                   : NULL;
	}
	return NULL;
}

void slab_bad_pointer(const char *call, const void *p)
{
	const struct slab *const run = run_around(p);
	mapped_bad_pointer(call, p);
	if (run != NULL)
		crash("invalid %s: %p (inside %u bytes)", call, p,
		    (size_t)run->run << GRANULE_SHIFT);
	const struct place at = place_of(p);
	/* The caller found no live object. If one is there now, p is its begin, and another thread
	 * is collecting it, or was given it since: heap_look_at() takes the flag down before it
	 * clears live bits. */
	const bool freed = at.freed || at.slab != NULL;

	if (freed && strcmp(call, "free") == 0)
		slab_misuse("double free", p, at.size);
	if (freed)
		crash("%s after free: %p (%u bytes)", call, p, at.size);
	if (at.size != 0)
		crash("invalid %s: %p (inside %u bytes)", call, p, at.size);
	crash("invalid %s: %p (not allocated here)", call, p);
}
