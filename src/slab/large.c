/* large.c - see large.h. */
#include "slab/large.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/probe.h"
#include "slab/huge_page.h"
#include "slab/mapped.h"
#include "slab/page_heap.h"
#include "slab/place.h"
#include "slab/purge.h"
#include "slab/settings.h"

static uint32_t granules_for(size_t n)
{
	return (uint32_t)((n + GRANULE - 1) >> GRANULE_SHIFT);
}

/* Programs that allocate a large array either fill it or touch only its beginning; the last one
 * that was allocated or freed tells which. Arrays that are filled get huge pages, which would make
 * the other sort up to 2 MiB larger each. */
static _Atomic uint32_t newest;
static _Atomic bool filled;
static _Atomic uint32_t moves; /* of pages, so far */
static _Atomic bool lost; /* added to a run after a refused move: that is enough */

void large_forget(void)
{
	atomic_store_explicit(&newest, 0, memory_order_relaxed);
	atomic_store_explicit(&filled, false, memory_order_relaxed);
	atomic_store_explicit(&moves, 0, memory_order_relaxed);
	atomic_store_explicit(&lost, false, memory_order_relaxed);
}

/* A look takes up to 3 us if it makes the kernel map a page. */
enum { LOOK_FROM = 2 * CHUNK_GRANULES };

/* Was the second half of a run filled? One word of a chunk decides, since the first look may have
 * mapped a huge page of zeros. If calloc has cleared the run, zeros prove nothing. page: of a
 * granule, another one at each look. */
static bool filled_late(const struct slab *s, size_t page)
{
	const uint32_t first = granule_of(s), granules = s->run;
	enum { LOOKS = 5 };
	const uint32_t half = first + granules / 2, last = first + granules - 1;
	const uint32_t chunks = last / CHUNK_GRANULES - half / CHUNK_GRANULES + 1;
	const uint32_t looks = (uint32_t)min_size(LOOKS, chunks);
	uint32_t votes = 0;

	for (uint32_t i = 0; i < looks; i++) {
		const uint32_t granule = last - (last - half) / looks * i;
		const enum dmm_touched t =
		    root.os->touched(root.os->ctx, granule_address(granule) + page * 4096);
		if (t == DMM_TOUCHED_SURELY)
			return true;
		votes += t == DMM_TOUCHED_LIKELY && !s->zeroed;
	}
	return 2 * votes > looks;
}

/* False also if it is no run, is too small to tell, or is unknown. */
static bool look_at(uint32_t first, size_t page)
{
	const struct slab *const s = slab_at(first);

	if (first == 0 || kind_of(s) != GRANULE_RUN || s->run < LOOK_FROM ||
	    root.os->touched == NULL)
		return false;
	const bool is = filled_late(s, page);
	atomic_store_explicit(&filled, is, memory_order_relaxed);
	return is;
}

static uint32_t take_chunks(uint32_t granules, uint32_t align, bool *clean)
{
	look_at(atomic_load_explicit(&newest, memory_order_relaxed), 2);
	const uint32_t first = run_take(granules, align, clean);
	if (first != 0 && atomic_load_explicit(&filled, memory_order_relaxed))
		run_fill(first, granules);
	atomic_store_explicit(&newest, first, memory_order_relaxed);
	return first;
}

static struct slab *run_open(uint32_t granules, uint32_t align, bool *clean)
{
	const uint32_t first = granules >= CHUNK_GRANULES ? take_chunks(granules, align, clean)
	                                                  : run_take(granules, align, clean);

	CHECK(granules > 0 && is_pow2(align));
	if (first == 0)
		return NULL;
	struct slab *s = slab_at(first);
	s->cls = CLASS_RUN;
	s->run = granules;
	s->zeroed = false;
	atomic_store_explicit(&s->kind, GRANULE_RUN, memory_order_release);
	return s;
}

void *large_malloc(size_t n, size_t align, bool *clean)
{
	const size_t most = (size_t)CHUNKS_MAX * HUGE_PAGE_SIZE;
	struct slab *s = NULL;

	if (n < MAPPED_FROM && align <= most)
		s = run_open(granules_for(n) + (n == 0),
		    (uint32_t)max_size(align >> GRANULE_SHIFT, 1), clean);
	void *const p = s != NULL ? granule_address(granule_of(s)) : mapped_malloc(n, align, clean);
	PROBE(large_malloc, p, n);
	return p;
}

void *large_calloc(size_t n)
{
	bool clean;
	char *const p = large_malloc(n, 1, &clean);

	if (p == NULL)
		return NULL;
	if ((uintptr_t)p - root.base < (size_t)root.chunk_count * HUGE_PAGE_SIZE)
		slab_at(((uintptr_t)p - root.base) >> GRANULE_SHIFT)->zeroed = true;
	return clean ? p : memset(p, 0, n);
}

void large_free(struct slab *run, const void *p)
{
	uint8_t expect = GRANULE_RUN; /* two threads may free it at once: one fails here */
	const uint32_t first = granule_of(run);
	const bool known = run->run >= LOOK_FROM && root.os->touched != NULL,
	    full = look_at(first, 1);

	if (!atomic_compare_exchange_strong(&run->kind, &expect, GRANULE_FREED))
		slab_bad_pointer("free", p);
	PROBE(large_free, p, (size_t)run->run << GRANULE_SHIFT);
	/* Only a little of it was touched, so giving that back is cheaper than clearing all of it
	 * for the next calloc. */
	const bool emptied = run->zeroed && known && !full &&
	                     root.os->purge(root.os->ctx, granule_address(first),
	                         (size_t)run->run << GRANULE_SHIFT) == 0;
	run_give(first, run->run, emptied);
}

/* A moved run is a mapping of its own from then on, and so is its neighbour. To keep their number
 * small, since vm.max_map_count is for the program as well, slab moves only runs that are not too
 * small a part of the heap after some thousand moves. */
static bool worth_moving(size_t len)
{
	enum { MANY = 4096, PART = 4096 };
	const size_t part = __atomic_load_n(&root.units, __ATOMIC_RELAXED) / PART << UNIT_SHIFT;
	return len >= tuning.move_from_bytes &&
	    (len >= part || atomic_load_explicit(&moves, memory_order_relaxed) < MANY);
}

/* While the lock is held no thread advises the kernel of huge pages, which would split one mapping
 * into two. */
static int move_locked(char *from, char *to, size_t len)
{
	atomic_fetch_add_explicit(&moves, 1, memory_order_relaxed);
	lock_take(&advice_lock);
	const int r = root.os->move(root.os->ctx, from, to, len);
	lock_give(&advice_lock);
	return r;
}

/* The advice may differ between chunks, so a run of several may lie in several mappings. */
static enum moved move_by_chunks(char *from, char *to, size_t len)
{
	enum moved moved = MOVED;

	for (size_t at = 0, n; at < len; at += n) {
		n = min_size(len - at, HUGE_PAGE_SIZE - (uintptr_t)(from + at) % HUGE_PAGE_SIZE);
		const int r =
		    n < tuning.move_from_bytes ? -EFAULT : move_locked(from + at, to + at, n);
		if (r == -ENXIO) {
			memcpy(from, to, at);
			/* and no more: another thread may own the rest by now */
			root.os->purge(root.os->ctx, to, at);
			return MOVED_AND_LOST;
		}
		if (r != 0) {
			memcpy(to + at, from + at, n);
			moved = MOVED_PARTLY;
		}
	}
	return moved;
}

enum moved large_move_pages(char *from, char *to, size_t len)
{
	if (root.os->move == NULL || !worth_moving(len) ||
	    atomic_load_explicit(&lost, memory_order_relaxed))
		return MOVED_NOT;
	const int r = move_locked(from, to, len);
	const enum moved moved = r == 0      ? MOVED
	    : r == -ENXIO                    ? MOVED_AND_LOST
	    : r == -EFAULT && len > HUGE_PAGE_SIZE ? move_by_chunks(from, to, len)
	                                     : MOVED_NOT;
	if (moved == MOVED_AND_LOST)
		atomic_store_explicit(&lost, true, memory_order_relaxed);
	return moved;
}

/* The run becomes an object in a mapping of its own, by copying if its pages cannot be moved. If
 * the move loses the new mapping, the bytes that were in it have been copied back. */
static void *move_out(struct slab *from, size_t n)
{
	const size_t len = (size_t)from->run << GRANULE_SHIFT;
	char *const source = granule_address(granule_of(from));
	bool clean;
	char *const target = mapped_malloc(n, 1, &clean);

	if (target == NULL)
		return NULL;
	const enum moved moved = large_move_pages(source, target, min_size(len, n));
	if (moved == MOVED_AND_LOST) {
		mapped_forget(target);
		return move_out(from, n);
	}
	if (moved == MOVED_NOT)
		memcpy(target, source, min_size(len, n));
	atomic_store_explicit(&from->kind, GRANULE_FREED, memory_order_relaxed);
	run_give(granule_of(from), from->run, false);
	return target;
}

/* Move to a place with room to grow once more, so that repeated growth costs linear time. For runs
 * that are not too small, the kernel moves page tables (mremap) instead of copying. */
static void *move(struct slab *from, uint32_t granules)
{
	const size_t len = (size_t)from->run << GRANULE_SHIFT;
	bool clean;
	struct slab *to = run_open(granules + granules / 2, 1, &clean);

	if (to == NULL)
		to = run_open(granules, 1, &clean);
	if (to == NULL)
		return move_out(from, (size_t)granules << GRANULE_SHIFT);
	char *const source = granule_address(granule_of(from)),
	    *const target = granule_address(granule_of(to));
	const enum moved moved = large_move_pages(source, target, len);
	if (moved == MOVED_AND_LOST) {
		atomic_store_explicit(&to->kind, GRANULE_FREED, memory_order_relaxed);
		return move(from, granules);
	}
	if (moved == MOVED_NOT)
		memcpy(target, source, len);
	atomic_store_explicit(&from->kind, GRANULE_FREED, memory_order_relaxed);
	run_give(granule_of(from), from->run, moved == MOVED);
	purge_check(NULL);
	return target;
}

void *large_resize(struct slab *run, size_t n)
{
	const uint32_t have = run->run, first = granule_of(run);
	bool clean;

	CHECK(kind_of(run) == GRANULE_RUN && n != 0);
	if (n >= MAPPED_FROM)
		return move_out(run, n);
	const uint32_t want = granules_for(n);
	if (want <= have && want >= have / 2 + have / 8)
		return granule_address(first);
	if (want < have) {
		run->run = want;
		run_give(first + want, have - want, false);
		purge_check(NULL);
		return granule_address(first);
	}
	if (run_extend(first + have, want - have, &clean)) {
		run->run = want;
		return granule_address(first);
	}
	return move(run, want);
}
