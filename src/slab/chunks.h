/* chunks.h - the records of chunks: which granules are free, and in which bins a chunk
 * is filed by that.
 *
 *   chunk     0123456789 ...                                          127
 *     free    ..111.....1111111....                1 = neither slab nor run
 *     dirty   ..1.......11.........                1 = free, and may hold old data
 *                         \____/ longest free run: the bin in which the chunk is filed
 *
 *   chunks    | . | f | f | f | . | f | ...        f = all free
 *                 \_________/ a row of 3, filed by its first chunk: objects of several chunks come
 *                             from there
 *
 * A bin is a bitmap over all chunks of three levels, so that the one with the lowest address
 * is found at once.
 *
 * Invariants, checked by chunks_check():
 *   P1 dirty    dirty is a subset of free
 *   P2 filed    a chunk is in exactly the bins of its longest free and dirty runs
 *   P3 counted  root.used and root.dirty are the sums over the chunks
 *   P4 rows     chunks in a row that are all free are in the bin of its length, by the first of
 *               them
 *   P5 mapped   only granules that are mapped are free, or those of a chunk that was given back
 *               whole
 *
 * Page_lock is held.
 */
#ifndef SLAB_CHUNKS_H
#define SLAB_CHUNKS_H

#include "base/bits.h"
#include "slab/root.h"

typedef unsigned __int128 mask128; /* a bit a granule of one chunk */

static inline mask128 join(const uint64_t m[2])
{
	return (mask128)m[1] << 64 | m[0];
}

static inline void store(uint64_t m[2], mask128 x)
{
	m[0] = (uint64_t)x;
	m[1] = (uint64_t)(x >> 64);
}

static inline mask128 ones(unsigned from, unsigned count)
{
	return (count >= 128 ? ~(mask128)0 : ((mask128)1 << count) - 1) << from;
}

static inline unsigned lowest(mask128 m)
{
	const uint64_t low = (uint64_t)m;
	return low != 0 ? (unsigned)__builtin_ctzll(low)
	                : 64u + (unsigned)__builtin_ctzll((uint64_t)(m >> 64));
}

static inline unsigned highest(mask128 m)
{
	const uint64_t high = (uint64_t)(m >> 64);
	return high != 0 ? 64u + log2_floor(high) : log2_floor((uint64_t)m);
}

static inline unsigned population(mask128 m)
{
	return popcount((uint64_t)m) + popcount((uint64_t)(m >> 64));
}

/* Bit i of the result: a run of at least n ones ends at i. */
static inline mask128 run_ends(mask128 m, unsigned n)
{
	unsigned have = 1;
	while (have < n && m != 0) {
		const unsigned step = have < n - have ? have : n - have;
		m &= m << step;
		have += step;
	}
	return m;
}

/* The two kinds of bins: of free runs inside chunks, and of rows. */
unsigned bin_of(unsigned granules);
static inline unsigned run_bin(bool dirty, unsigned bin)
{
	return dirty * RUN_BINS + bin;
}

unsigned row_bin_of(uint32_t chunks);
enum { ROW_ANY = 2 * RUN_BINS + ROW_BINS }; /* all rows */

/* The chunk with the lowest address in a bin; with the highest; the next one; or UINT32_MAX:
 * there is none. */
uint32_t bin_first(unsigned bin);
/* The bin of the next longer free or dirty runs after run_bin(dirty, bin) that is not empty; 0: all
 * are. */
unsigned bin_with_longer(bool dirty, unsigned bin);
void bins_forget(void); /* all are empty: the heap is closed */
uint32_t bin_last(unsigned bin);
uint32_t bin_next(unsigned bin, uint32_t chunk);

static inline bool all_free(uint32_t chunk)
{
	const struct slab_chunk *const c = chunk_at(chunk);
	return (c->free[0] & c->free[1]) == UINT64_MAX;
}

/* All but the guard in front. */
static inline bool chunk_is_whole(uint32_t chunk)
{
	return all_free(chunk) || (chunk == 0 && join(chunk_at(0)->free) == ~(mask128)1);
}

/* Change a chunk's masks, and all fields that follow from them. */
void chunk_update(uint32_t chunk, mask128 free, mask128 dirty);

bool chunks_check(struct dmm_fault *why);

#endif
