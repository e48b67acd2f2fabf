/* checks.c - I2, I3, I4: what must hold when all threads have ended. */
#include <stdio.h>

#include "interleave.h"
#include "slab/slab.h"
#include "slab/system.h"
#include "slab/thread_cache.h"

static bool in_list(uint32_t first, uint32_t granule)
{
	for (uint32_t g = first; g != 0; g = slab_at(g)->inbox_next)
		if (g == granule)
			return true;
	return false;
}

static void check_list(const struct slab_heap *h, uint32_t first)
{
	unsigned n = 0;

	for (uint32_t g = first; g != 0; g = slab_at(g)->inbox_next)
		if (kind_of(slab_at(g)) != GRANULE_SLAB || heap_of(slab_at(g)) != h ||
		    (root.tags[g] & TAG_REMOTE) == 0 || ++n > BLOCKS)
			sched_fail("I2 found: something in an inbox does not belong there");
}

static void check_inbox(const struct slab_heap *h)
{
	check_list(h, h->inbox);
	check_list(h, h->waiting);
	for (uint32_t g = h->inbox; g != 0; g = slab_at(g)->inbox_next)
		if (in_list(h->waiting, g))
			sched_fail("I2 found: a slab is in an inbox, and out of it");
	if ((h->inbox | h->waiting) != 0 && h->owner == NULL)
		sched_fail(
		    "I2 found: something is in the inbox of a heap without a thread, and nobody "
		    "will look");
}

static unsigned count_marked(const struct slab *s)
{
	unsigned marked = 0;

	for (unsigned i = 0; i < s->count; i++) {
		const char *const p = slab_start(s) + (size_t)i * s->size;
		marked += (*mark_word(p) & bit_of(p)) != 0;
	}
	return marked;
}

/* Otherwise the owner's own frees there would not see the mark, until the owner looks. */
static void check_flags_near_marks(const struct slab *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		const char *const p = slab_start(s) + (size_t)i * s->size;
		if ((*mark_word(p) & bit_of(p)) != 0 && (tag_around(p) & TAG_REMOTE) == 0)
			sched_fail("I2 found: marked, and the granule is not flagged");
	}
}

static void check_slab(const struct slab *s)
{
	const uint32_t g = granule_of(s), tag = root.tags[g];
	const unsigned avail = slab_count_avail(s);

	if (s->avail != avail)
		sched_fail("I2 found: objects are in avail that nobody has counted");
	if ((tag & TAG_REMOTE) != 0) {
		if (!in_list(heap_of(s)->inbox, g) && !in_list(heap_of(s)->waiting, g))
			sched_fail("I2 found: flagged, and in no inbox");
		check_flags_near_marks(s);
		return;
	}
	if (count_marked(s) != 0)
		sched_fail("I2 found: marked, and not flagged");
	if (avail != 0 && !s->listed)
		sched_fail("I2 found: objects are in avail, and the slab is in no list");
	if (avail == s->count && s->listed != LISTED_KEPT)
		sched_fail("I3 released: all objects are free, and the slab is still there");
}

/* A heap knows its thread by the place of its cache, which all share: tell them apart for the
 * checker. */
static void find_owners(void)
{
	for (uint32_t i = HEAP_FIRST; i < root.heap_count; i++)
		for (unsigned t = 0; t < SCHED_THREADS && heap_at(i)->owner != NULL; t++) {
			struct thread_cache *const tc = sched_tls_of(t);
			if (tc->heap == heap_at(i))
				heap_at(i)->owner = tc;
		}
}

static size_t count_live(const struct slab *s)
{
	size_t live = 0;

	for (unsigned i = 0; i < s->count; i++)
		live += object_live(slab_start(s) + (size_t)i * s->size);
	return live;
}

static void check_slabs(void)
{
	size_t live = 0;

	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++) {
		if (kind_of(slab_at(g)) != GRANULE_SLAB)
			continue;
		check_slab(slab_at(g));
		live += slab_at(g)->cls == block_class ? count_live(slab_at(g)) : 0;
	}
	if (live != held_count)
		sched_fail("I2 found: other objects are marked live than somebody has");
}

void check_all(void)
{
	find_owners();
	struct dmm_fault why = {.rule = "(none)"};
	char text[100];

	if (lock_is_held(&root.page_lock) || lock_is_held(&root.heaps_lock))
		sched_fail("I4 sound: a lock is held for ever");
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		check_inbox(heap_at(i));
	check_slabs();
	if (!slab_check_all(&why)) {
		snprintf(text, sizeof text, "I4 sound: broken rule '%s'", why.rule);
		sched_fail(text);
	}
}
