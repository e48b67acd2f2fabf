/* page_purge.c - the purger takes runs out of the page heap, and returns them purged: see
 * page_heap.h. */
#include "base/assert.h"
#include "slab/chunks.h"
#include "slab/huge_page.h"
#include "slab/page_heap.h"
#include "slab/payload.h"
#include "slab/purge.h"

_Atomic bool purge_wanted;

/* Chunks that are to go; page_lock guards them.  One flush of a thread's magazines may empty as
 * many chunks at once as it gives away objects.  Of more than fit here, some wait until they are
 * empty the next time. */
static struct {
	uint32_t chunk[256];
	unsigned count;
} soon;

/* Groups of granules that are all free, and one of them dirty: their metadata can be
 * given back too. */
static mask128 free_groups(mask128 free, mask128 dirty)
{
	mask128 all = 0;

	for (unsigned at = 0; at < CHUNK_GRANULES; at += purge_group()) {
		const mask128 group = ones(at, purge_group());
		if ((free & group) == group && (dirty & group) != 0)
			all |= group;
	}
	return all;
}

/* Returns how many of its granules were dirty. */
static size_t claim(uint32_t chunk, uint64_t mask[2])
{
	struct slab_chunk *const c = chunk_at(chunk);
	const mask128 free = join(c->free), dirty = join(c->dirty);
	CHECK(lock_held(&root.page_lock) && !c->claimed);
	const mask128 claimed = chunk_is_whole(chunk) ? free : dirty | free_groups(free, dirty);

	store(mask, claimed);
	chunk_update(chunk, free & ~claimed, 0);
	c->claimed = true;
	return population(dirty);
}

uint32_t purge_claim(uint32_t from, uint32_t before, bool whole, uint64_t mask[2])
{
	uint32_t found = UINT32_MAX;

	lock_take(&root.page_lock);
	for (uint32_t chunk = from; chunk < root.chunk_count && found == UINT32_MAX; chunk++) {
		const struct slab_chunk *const c = chunk_at(chunk);
		if (c->dirty_bin != 0 && (int32_t)(c->epoch - before) < 0 &&
		    whole == chunk_is_whole(chunk))
			found = chunk;
	}
	if (found != UINT32_MAX)
		claim(found, mask);
	lock_give(&root.page_lock);
	return found;
}

bool purge_claim_whole(uint32_t chunk, uint64_t mask[2])
{
	lock_take(&root.page_lock);
	const bool ok =
	    chunk < root.chunk_count && chunk_at(chunk)->dirty_bin != 0 && chunk_is_whole(chunk);
	if (ok)
		claim(chunk, mask);
	lock_give(&root.page_lock);
	return ok;
}

uint32_t purge_claim_unused(uint32_t end, uint64_t mask[2])
{
	uint32_t found = UINT32_MAX;

	lock_take(&root.page_lock);
	uint32_t chunk = (uint32_t)min_size(end, root.chunk_count) - 1;
	if (chunk > 0 && end > root.chunk_count && chunk_at(chunk)->mapped < CHUNK_GRANULES)
		chunk--; /* the rest of the last one is not mapped yet */
	if (chunk > 0 && chunk_at(chunk)->state == CHUNK_HERE && chunk_at(chunk)->dirty_bin == 0 &&
	    all_free(chunk)) {
		claim(chunk, mask);
		found = chunk;
	}
	lock_give(&root.page_lock);
	return found;
}

uint32_t purge_claim_longest(uint64_t mask[2], bool *whole, size_t *dirty)
{
	uint32_t found = UINT32_MAX;

	lock_take(&root.page_lock);
	for (unsigned bin = RUN_BINS - 1; bin > 0 && found == UINT32_MAX; bin--)
		found = bin_last(run_bin(true, bin));
	if (found != UINT32_MAX) {
		*whole = chunk_is_whole(found);
		*dirty = claim(found, mask);
	}
	lock_give(&root.page_lock);
	return found;
}

void purge_return(uint32_t chunk, const uint64_t mask[2], enum purged purged)
{
	lock_take(&root.page_lock);
	struct slab_chunk *c = chunk_at(chunk);
	const mask128 run = join(mask), dirty = join(c->dirty);
	CHECK(lock_held(&root.page_lock) && c->claimed && (join(c->free) & run) == 0);
	chunk_update(chunk, join(c->free) | run, purged == PURGED_NOT ? dirty | run : dirty);
	c->claimed = false;
	c->holed = !chunk_is_whole(chunk);
	if (purged == PURGED_AND_UNMAPPED)
		payload_is_unmapped(chunk);
	else
		huge_page_revoke(chunk, 0);
	lock_give(&root.page_lock);
	huge_page_advise();
}

void purge_left_holes(uint32_t chunk, size_t bytes)
{
	lock_take(&root.page_lock);
	chunk_at(chunk)->holed = true;
	huge_page_revoke(chunk, bytes);
	lock_give(&root.page_lock);
}

void purge_chunk_soon(uint32_t chunk)
{
	CHECK(page_lock_held());
	if (soon.count < sizeof soon.chunk / sizeof *soon.chunk)
		soon.chunk[soon.count++] = chunk;
	atomic_store_explicit(&purge_wanted, true, memory_order_relaxed);
}

uint32_t purge_chunk_noted(void)
{
	lock_take(&root.page_lock);
	const uint32_t chunk = soon.count != 0 ? soon.chunk[--soon.count] : 0;
	lock_give(&root.page_lock);
	return chunk;
}

void purge_chunks_forget(void)
{
	soon.count = 0;
}
