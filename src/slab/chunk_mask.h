/* chunk_mask.h - a bit a granule of one chunk, for the two files of the page heap. */
#ifndef SLAB_CHUNK_MASK_H
#define SLAB_CHUNK_MASK_H

#include "base/bits.h"
#include "slab/root.h"

typedef unsigned __int128 mask128;

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
	return (count == 128 ? ~(mask128)0 : ((mask128)1 << count) - 1) << from;
}

static inline unsigned population(mask128 m)
{
	return popcount((uint64_t)m) + popcount((uint64_t)(m >> 64));
}

static inline bool chunk_is_whole(uint32_t chunk)
{
	const mask128 free = join(chunk_at(chunk)->free);
	return free == ~(mask128)0 || (chunk == 0 && free == ~(mask128)1);
}

/* Change a chunk's masks, and all that is derived from them.  page_lock is held. */
void chunk_update(uint32_t chunk, mask128 free, mask128 dirty);
/* The chunk with the highest address in a bin that is not empty. */
uint32_t bin_last(bool dirty, unsigned bin);

#endif
