/* reservation.c - see reservation.h. */
#include "slab/reservation.h"

#include <errno.h>

#include "base/bits.h"
#include "slab/settings.h"
#include "slab/slab.h"

struct layout {
	size_t chunks, bins, heaps, stacks, slabs, tags, live, avail, base, end; /* byte offsets */
	size_t heap_limit;
};

/* Bytes of live, or avail: a bit for 16 bytes. */
static size_t bits_len(size_t granules)
{
	return granules * GRANULE_WORDS * sizeof(uint64_t);
}

static struct layout layout_of(size_t chunks)
{
	const size_t page = 4096, granules = chunks * CHUNK_GRANULES;
	struct layout l = {.heap_limit = min_size(HEAPS_MAX, 32 + chunks / 8)};

	l.bins = round_up(l.chunks + chunks * sizeof(struct chunk), page);
	l.heaps = round_up(l.bins + (chunks + 63) / 64 * sizeof(struct bin_words), page);
	l.stacks = round_up(l.heaps + l.heap_limit * sizeof(struct heap), page);
	l.slabs = round_up(l.stacks + l.heap_limit * HEAP_STACKS_BYTES, page) + page;
	l.tags = round_up(l.slabs + granules * sizeof(struct slab), page);
	l.live = round_up(l.tags + granules * sizeof(root.tags[0]), page);
	l.avail = round_up(l.live + bits_len(granules), page);
	l.base = round_up(l.avail + bits_len(granules) + page, HUGE_PAGE_SIZE);
	l.end = l.base + granules * GRANULE;
	return l;
}

static bool accessible(void *from, void *to)
{
	char *const first = (char *)round_down((uintptr_t)from, root.os->page);
	char *const last = (char *)round_up((uintptr_t)to, root.os->page);
	return root.os->protect(root.os->ctx, first, ptr_diff(last, first), DMM_PROTECT_RW) == 0;
}

/* What lies in live or avail for one granule and all behind it. */
static void *bits_from(_Atomic uint64_t *biased, size_t granule)
{
	return &biased[(root.base >> WORD_SHIFT) + granule * GRANULE_WORDS];
}

/* Metadata for 64 chunks at a time: a page of struct chunk, 2.3 MiB of address space in all. */
static bool meta_grow(void)
{
	const uint32_t from = root.meta_ready;
	const uint32_t to = (uint32_t)min_size(from + 64, root.chunk_limit);

	const size_t first = (size_t)from * CHUNK_GRANULES, end = (size_t)to * CHUNK_GRANULES;
	if (!accessible(&root.chunks[from], &root.chunks[to]) ||
	    !accessible(&root.bins[from / 64], &root.bins[(to + 63) / 64]) ||
	    !accessible(&root.slabs[first], &root.slabs[end]) ||
	    !accessible(&root.tags[first], &root.tags[end]) ||
	    !accessible(bits_from(root.live, first), bits_from(root.live, end)) ||
	    !accessible(bits_from(root.avail, first), bits_from(root.avail, end)))
		return false;
	root.meta_ready = to;
	return true;
}

/* Where commitments are counted (strict overcommit), what was made accessible is paid for: so grow by
 * a share of what there is, and by exactly what is needed where that is refused. */
static bool payload_grow(uint32_t to)
{
	const size_t share = root.chunk_ready * tuning.grow_ahead_percent / 100;
	const size_t ahead = root.chunk_ready + share + (tuning.grow_ahead_mib << 20) / HUGE_PAGE_SIZE;
	const uint32_t generous = (uint32_t)min_size(max_size(to, ahead), root.meta_ready);
	uint32_t first = root.chunk_ready * CHUNK_GRANULES;

	if (first == 0)
		first = 1; /* granule 0 stays inaccessible */
	if (accessible(granule_address(first), granule_address(generous * CHUNK_GRANULES)))
		root.chunk_ready = generous;
	else if (accessible(granule_address(first), granule_address(to * CHUNK_GRANULES)))
		root.chunk_ready = to;
	return root.chunk_ready >= to;
}

bool reservation_grow(uint32_t count)
{
	if (count > root.chunk_limit)
		return false;
	while (root.meta_ready < count)
		if (!meta_grow())
			return false;
	const uint32_t from = root.chunk_ready;
	if (from >= count)
		return true;
	if (!payload_grow(count))
		return false;
	if (tuning.huge_from_mib == SETTING_NEVER) /* for kernels that use them everywhere */
		root.os->advise(root.os->ctx, granule_address(from * CHUNK_GRANULES),
		    (size_t)(root.chunk_ready - from) * HUGE_PAGE_SIZE, DMM_ADVICE_NOHUGE);
	return true;
}

/* ---- huge pages only where the heap fills them: a small program stays small ---------------------- */

/* The first chunk that gets some. */
static size_t huge_from(void)
{
	return tuning.huge_from_mib == SETTING_NEVER ? SETTING_NEVER :
	    ((tuning.huge_from_mib << 20) + HUGE_PAGE_SIZE - 1) / HUGE_PAGE_SIZE;
}

static size_t free_bytes(const struct chunk *c)
{
	return (size_t)(popcount(c->free[0]) + popcount(c->free[1])) * GRANULE;
}

static void advise_huge(uint32_t chunk, enum dmm_advice what)
{
	struct chunk *const c = chunk_at(chunk);

	root.chunks_revoked -= c->huge == HUGE_REVOKED;
	c->huge = HUGE_ADVISED;
	root.os->advise(root.os->ctx, granule_address(chunk * CHUNK_GRANULES), HUGE_PAGE_SIZE, what);
}

size_t reservation_holes(uint32_t chunk)
{
	size_t pages = 0;

	for (uint32_t i = 0; i < CHUNK_GRANULES; i++) {
		const struct slab *const s = slab_at(chunk * CHUNK_GRANULES + i);
		if (kind_of(s) == GRANULE_SLAB)
			pages += popcount(s->purged);
	}
	return pages * PURGE_UNIT;
}

static bool nearly_full(uint32_t chunk, size_t holes)
{
	const struct chunk *const c = chunk_at(chunk);

	return !c->claimed && free_bytes(c) + holes <= HUGE_PAGE_SIZE / 4;
}

/* Of a large object perhaps only the beginning was touched: a collapse would make memory of the rest. */
static bool mostly_resident(uint32_t chunk)
{
	enum { SAMPLES = 8, MISSING = SAMPLES / 4 };
	unsigned there = 0;

	if (root.os->resident == NULL)
		return true;
	for (uint32_t i = 0; i < SAMPLES; i++)
		there += root.os->resident(root.os->ctx,
		    granule_address(chunk * CHUNK_GRANULES + (2 * i + 1) * CHUNK_GRANULES / SAMPLES / 2));
	return there >= SAMPLES - MISSING;
}

/* One that was filled before there were huge pages; the next when the heap has grown again, since each takes a
 * third of a millisecond, and ten times that where a host has to find the memory. */
static void collapse_one_below(uint32_t end)
{
	for (uint32_t chunk = 1; chunk < end; chunk++) /* 0 begins with a guard */
		if (chunk_at(chunk)->huge == HUGE_NOT && nearly_full(chunk, reservation_holes(chunk)) &&
		    mostly_resident(chunk)) {
			advise_huge(chunk, DMM_ADVICE_HUGE);
			advise_huge(chunk, DMM_ADVICE_COLLAPSE);
			return;
		}
}

/* The last chunk of a heap is filled by half on average, which is much of a small heap: up to here a chunk
 * becomes a huge page when it is nearly full.  A large heap would pay for it with page faults and copies. */
static size_t huge_at_once_from(void)
{
	enum { MOST = 64 }; /* chunks that are advised out of order: each may be a mapping of its own */
	const size_t first = huge_from();

	return first == SETTING_NEVER ? first : min_size(2 * first, first + MOST);
}

bool reservation_begins_anew(uint32_t chunk)
{
	return chunk >= huge_at_once_from();
}

void reservation_fill(uint32_t chunk)
{
	const struct chunk *const c = chunk_at(chunk);
	const size_t first = huge_from();
	const bool never_was = c->huge == HUGE_NOT, at_once = never_was && chunk >= huge_at_once_from();

	if (c->huge == HUGE_ADVISED || (never_was && chunk < first) || !(at_once || nearly_full(chunk, 0)))
		return;
	advise_huge(chunk, DMM_ADVICE_HUGE);
	if (!never_was) /* parts of it were given back, which collapsing would fill: khugepaged has time */
		return;
	if (!at_once)
		advise_huge(chunk, DMM_ADVICE_COLLAPSE);
	if (chunk >= 2 * first)
		collapse_one_below((uint32_t)first);
}

void reservation_revoke(uint32_t chunk, size_t holes)
{
	enum { MANY = HUGE_PAGE_SIZE / 4 };
	enum { MOST = 4096 }; /* each may split one mapping in three, and the program needs some */
	struct chunk *const c = chunk_at(chunk);
	const size_t empty = free_bytes(c) + holes;
	const bool advised = c->huge == HUGE_ADVISED;

	if (empty == HUGE_PAGE_SIZE && chunk >= huge_at_once_from()) { /* nothing is left of it: it begins anew */
		if (c->huge == HUGE_REVOKED)
			advise_huge(chunk, DMM_ADVICE_HUGE);
		return;
	}
	/* One that was none yet need not be full: only holes in its slabs matter, which nobody will see when it is. */
	if (c->huge == HUGE_REVOKED || (advised ? empty : holes) <= MANY || (!advised && chunk < huge_from()) ||
	    root.chunks_revoked >= MOST)
		return;
	c->huge = HUGE_REVOKED;
	root.chunks_revoked++;
	root.os->advise(root.os->ctx, granule_address(chunk * CHUNK_GRANULES), HUGE_PAGE_SIZE, DMM_ADVICE_NOHUGE);
}

void reservation_fill_run(uint32_t first, uint32_t count)
{
	const uint32_t end = (first + count) / CHUNK_GRANULES;

	for (uint32_t chunk = (first + CHUNK_GRANULES - 1) / CHUNK_GRANULES; chunk < end; chunk++)
		if (chunk >= huge_from() && chunk_at(chunk)->huge != HUGE_ADVISED)
			advise_huge(chunk, DMM_ADVICE_HUGE);
}

int reservation_open(const struct dmm_os *os)
{
	char *p = NULL;
	size_t chunks = CHUNKS_MAX;
	struct layout l;

	/* 512 GiB; under a limit, three quarters or a half of a power of two, as fits. */
	for (;; chunks = is_pow2(chunks) ? chunks / 4 * 3 : chunks / 3 * 2) {
		l = layout_of(chunks);
		if ((p = os->reserve(os->ctx, l.end, HUGE_PAGE_SIZE)) != NULL)
			break;
		if (chunks <= 8)
			return -ENOMEM;
	}
	root.os = os;
	root.reservation = p;
	root.reservation_len = l.end;
	root.chunks = (struct chunk *)(p + l.chunks);
	root.bins = (struct bin_words *)(p + l.bins);
	root.heaps = (struct heap *)(p + l.heaps);
	root.slabs = (struct slab *)(p + l.slabs);
	root.tags = (_Atomic uint32_t *)(p + l.tags);
	root.base = (uintptr_t)(p + l.base);
	root.live = (_Atomic uint64_t *)(p + l.live) - (root.base >> WORD_SHIFT);
	root.avail = (_Atomic uint64_t *)(p + l.avail) - (root.base >> WORD_SHIFT);
	root.stacks = p + l.stacks;
	root.heap_limit = (uint32_t)l.heap_limit;
	root.chunk_limit = (uint32_t)chunks;
	root.chunk_count = root.chunk_ready = root.meta_ready = root.chunks_revoked = 0;
	return 0;
}

void reservation_close(void)
{
	root.os->unmap(root.os->ctx, root.reservation, root.reservation_len);
	root.base = 0;
}
