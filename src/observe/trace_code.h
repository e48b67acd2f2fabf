/* trace_code.h - how the numbers of an event are written: what encoder and decoder must agree on.
 *
 *   varint    7 bits a byte, low bits first, the high bit says that more follow
 *   zigzag    0 -1 1 -2 ...  as  0 1 2 3 ...
 *   address   its difference to a predicted one: in units of 16 bytes where that is exact
 *
 * The predictor starts every block afresh, so that any block can be read alone.  It knows three
 * habits of allocators: what was freed last in a size is given out first; neighbours in a size are
 * a constant stride apart (slabs); the next chunk follows the last one (boundary tags).
 */
#ifndef OBSERVE_TRACE_CODE_H
#define OBSERVE_TRACE_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PREDICT_SIZES = 64, PREDICT_DEPTH = 8, PREDICT_RECENT = 1024, PREDICT_TRUST = 8 };

struct predict {
	uint64_t last_alloc, last_size, last_free;
	int slabs; /* > 0: the stride of a size has lately been the better guess */
	uint64_t last[PREDICT_SIZES], stride[PREDICT_SIZES];
	uint64_t freed[PREDICT_SIZES][PREDICT_DEPTH]; /* rings */
	uint8_t depth[PREDICT_SIZES], top[PREDICT_SIZES];
	/* by address: addr << 6 | bucket, what size an address has */
	uint64_t recent[PREDICT_RECENT];
};

static inline uint64_t zigzag(int64_t x)
{
	return (uint64_t)x << 1 ^ (uint64_t)(x >> 63);
}

static inline int64_t unzigzag(uint64_t x)
{
	return (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
}

static inline unsigned predict_bucket(uint64_t size)
{
	return size < 16 * (PREDICT_SIZES - 1) - 8 ? (unsigned)((size + 23) >> 4)
	                                           : PREDICT_SIZES - 1;
}

static inline uint64_t *predict_slot(struct predict *p, uint64_t addr)
{
	return &p->recent[(addr >> 4 ^ addr >> 14) % PREDICT_RECENT];
}

static inline uint64_t predict_distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static inline uint64_t predict_next_chunk(const struct predict *p)
{
	return p->last_alloc + ((p->last_size + 23) & ~(uint64_t)15);
}

/* Where an object of this size will probably lie. */
static inline uint64_t predict_alloc(const struct predict *p, unsigned bucket)
{
	if (p->depth[bucket] != 0)
		return p->freed[bucket][p->top[bucket]];
	return p->slabs > 0 ? p->last[bucket] + p->stride[bucket] : predict_next_chunk(p);
}

/* And where it did. */
static inline void predict_saw_alloc(struct predict *p, unsigned bucket, uint64_t addr,
    uint64_t size)
{
	if (p->depth[bucket] != 0) {
		p->depth[bucket]--;
		p->top[bucket] = (p->top[bucket] + PREDICT_DEPTH - 1) % PREDICT_DEPTH;
	} else {
		const uint64_t by_stride =
		    predict_distance(addr, p->last[bucket] + p->stride[bucket]);
		const uint64_t by_chunk = predict_distance(addr, predict_next_chunk(p));
		if (by_stride < by_chunk && p->slabs < PREDICT_TRUST)
			p->slabs++;
		else if (by_chunk < by_stride && p->slabs > -PREDICT_TRUST)
			p->slabs--;
	}
	p->stride[bucket] = addr - p->last[bucket];
	p->last[bucket] = addr;
	p->last_alloc = addr;
	p->last_size = size;
	*predict_slot(p, addr) = addr << 6 | bucket;
}

static inline void predict_saw_free(struct predict *p, uint64_t addr)
{
	const uint64_t bucket = *predict_slot(p, addr) ^ addr << 6;

	p->last_free = addr;
	if (bucket >= PREDICT_SIZES)
		return;
	p->top[bucket] = (p->top[bucket] + 1) % PREDICT_DEPTH;
	p->freed[bucket][p->top[bucket]] = addr;
	if (p->depth[bucket] < PREDICT_DEPTH)
		p->depth[bucket]++;
}

/* The difference as a number: bit 0 says that it is in bytes, not in units of 16. */
static inline uint64_t address_code(uint64_t addr, uint64_t guess)
{
	const int64_t d = (int64_t)(addr - guess);
	return (d & 15) == 0 ? zigzag(d / 16) << 1 : zigzag(d) << 1 | 1;
}

static inline uint64_t address_decode(uint64_t code, uint64_t guess)
{
	const int64_t d = unzigzag(code >> 1);
	return guess + (uint64_t)((code & 1) != 0 ? d : (int64_t)((uint64_t)d * 16));
}

#endif
