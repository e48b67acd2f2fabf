/* learned.c - what the process has learned of the memory that it needs again: see purge.h. */
#include "base/assert.h"
#include "base/bits.h"
#include "slab/page_heap.h"
#include "slab/predict.h"
#include "slab/purge.h"

struct predictor dirty_predictor, pages_predictor;

/* To give 4 KiB back and to fill them again takes 2 us where memory is warm
 * (docs/evidence/losses.md). Pages of slabs and free runs go in the same fall, and most slabs whose
 * pages went become free runs, so the greater of the two counts. */
uint64_t purge_soon_ns(uint64_t now)
{
	enum { PAGE = 4096, PAGE_NS = 2000, SHARE = 20 };
	const uint64_t most = purge_again_ns();
	const size_t fell = max_size(predict_fell(&dirty_predictor, now, most) * GRANULE,
	    predict_fell(&pages_predictor, now, most));
	const uint64_t worth = (uint64_t)fell / PAGE * PAGE_NS * SHARE;

	CHECK(page_lock_held());
	return worth < most ? worth : most;
}

/* ---- free runs ------------------------------------------------------------------------------- */

size_t purge_keep(void)
{
	return __atomic_load_n(&dirty_predictor.keep, __ATOMIC_RELAXED);
}

void purge_gave(size_t granules)
{
	lock_take(&root.page_lock);
	predict_gave(&dirty_predictor, granules, purge_clock(), purge_again_ns());
	lock_give(&root.page_lock);
}

size_t purge_unused(size_t limit)
{
	lock_take(&root.page_lock);
	const size_t n =
	    predict_unused(&dirty_predictor, root.dirty, limit, purge_clock(), purge_again_ns());
	lock_give(&root.page_lock);
	return n;
}

/* ---- pages of slabs -------------------------------------------------------------------------- */

static size_t most_of_one; /* bytes that one heap gave, of those in `gone`; page_lock */

size_t purge_pages_keep(void)
{
	return __atomic_load_n(&pages_predictor.keep, __ATOMIC_RELAXED);
}

/* The greatest fall of one heap is a part of the fall of all. */
void purge_pages_gave(struct slab_heap *h)
{
	CHECK(lock_held(&h->lock));
	lock_take(&root.page_lock);
	const uint64_t now = purge_clock(), within = purge_again_ns();
	predict_gave(&pages_predictor, h->fallen, now, within);
	const bool first = pages_predictor.fell == h->fallen; /* of a new fall */
	const bool earlier = now - h->given_at > now - pages_predictor.fell_at;
	h->given = (first || earlier ? 0 : h->given) + h->fallen;
	h->given_at = now;
	most_of_one = first ? h->given : max_size(most_of_one, h->given);
	lock_give(&root.page_lock);
}

/* Several heaps may have given back as much: what is kept is for each. */
void purge_pages_asked(size_t bytes)
{
	lock_take(&root.page_lock);
	const size_t most = max_size(most_of_one, pages_predictor.keep);
	const uint64_t now = purge_clock();
	predict_asked(&pages_predictor, bytes, now, purge_soon_ns(now));
	if (pages_predictor.keep > most)
		predict_forget(&pages_predictor, pages_predictor.keep - most);
	lock_give(&root.page_lock);
}

size_t purge_pages_unused(struct slab_heap *h)
{
	CHECK(lock_held(&h->lock));
	const size_t unused = low_water_unused(&h->pages, h->fallen, tuning.dirty_floor_bytes,
	    purge_clock(), purge_again_ns());
	if (unused == 0)
		return 0;
	lock_take(&root.page_lock);
	predict_forget(&pages_predictor, unused);
	lock_give(&root.page_lock);
	return unused;
}
