/* origin.c - see origin.h. */
#include "slab/origin.h"

#include "slab/canary.h"
#include "slab/misuse.h"
#include "slab/orphan.h"
#include "slab/slab.h"

/* The run that begins at p; NULL: none does. */
static struct slab *run_at(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE) ||
	    off % GRANULE != 0)
		return NULL;
	struct slab *const s = slab_at(off >> GRANULE_SHIFT);
	return kind_of(s) == GRANULE_RUN ? s : NULL;
}

/* The origin of the live object of a slab that begins at p; 0: there is none, or it has zero
 * bytes. */
static size_t slot_at(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE) ||
	    off % MAX_ALIGN != 0)
		return 0;
	const uint32_t tag = tag_at(off >> GRANULE_SHIFT);
	const bool live = tag_heap(tag) != 0 && (object_live(p) || orphan_settle_object(p));
	return live ? class_usable(tag_class(tag)) : 0;
}

static void rewrite(void *p, size_t size, struct canary c, enum origin origin)
{
	if (c.slack != 0 && c.origin != origin)
		canary_write(p, size - c.slack, size, origin);
}

void origin_set(void *p, enum origin origin)
{
	const size_t size = slot_at(p);
	struct slab *const run = size == 0 ? run_at(p) : NULL;

	if (size != 0)
		rewrite(p, size, canary_read(p, size), origin);
	else if (run != NULL)
		run->avail = (uint16_t)origin;
}

void origin_check(const char *call, void *p, enum origin origin)
{
	const size_t size = slot_at(p);
	struct slab *const run = size == 0 ? run_at(p) : NULL;

	if (size != 0) {
		const struct canary c = canary_read(p, size);
		if (unlikely(c.slack != 0 && c.origin != origin))
			slab_mismatch(call, p, size, c.origin);
		rewrite(p, size, c, ORIGIN_MALLOC);
	} else if (run != NULL) {
		if (unlikely(run->avail != origin))
			slab_mismatch(call, p, ((size_t)run->run << GRANULE_SHIFT) - run->size,
			    (enum origin)run->avail);
		run->avail = ORIGIN_MALLOC;
	}
}
