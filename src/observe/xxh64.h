/* xxh64.h - the 64-bit hash of Y. Collet (xxHash, 2012), as zstd uses it; streaming
 * over two parts. */
#ifndef OBSERVE_XXH64_H
#define OBSERVE_XXH64_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define XXH_A 0x9e3779b185ebca87u
#define XXH_B 0xc2b2ae3d27d4eb4fu
#define XXH_C 0x165667b19e3779f9u
#define XXH_D 0x85ebca77c2b2ae63u
#define XXH_E 0x27d4eb2f165667c5u

static inline uint64_t xxh_rotate(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline uint64_t xxh_load(const unsigned char *p, size_t n)
{
	uint64_t x = 0;
	memcpy(&x, p, n);
	return x;
}

static inline uint64_t xxh_round(uint64_t lane, uint64_t word)
{
	return xxh_rotate(lane + word * XXH_B, 31) * XXH_A;
}

static inline uint64_t xxh_lanes(const unsigned char *p, const unsigned char *end, uint64_t seed)
{
	uint64_t lane[4] = {seed + XXH_A + XXH_B, seed + XXH_B, seed, seed - XXH_A};

	for (; p + 32 <= end; p += 32)
		for (int i = 0; i < 4; i++)
			lane[i] = xxh_round(lane[i], xxh_load(p + 8 * i, 8));
	uint64_t h = xxh_rotate(lane[0], 1) + xxh_rotate(lane[1], 7) + xxh_rotate(lane[2], 12) +
	    xxh_rotate(lane[3], 18);
	for (int i = 0; i < 4; i++)
		h = (h ^ xxh_round(0, lane[i])) * XXH_A + XXH_D;
	return h;
}

static inline uint64_t xxh64(const void *data, size_t n, uint64_t seed)
{
	const unsigned char *p = data;
	const unsigned char *const end = p + n;
	uint64_t h = (n >= 32 ? xxh_lanes(p, end, seed) : seed + XXH_E) + n;

	for (p += n & ~(size_t)31; p + 8 <= end; p += 8)
		h = xxh_rotate(h ^ xxh_round(0, xxh_load(p, 8)), 27) * XXH_A + XXH_D;
	if (p + 4 <= end) {
		h = xxh_rotate(h ^ xxh_load(p, 4) * XXH_A, 23) * XXH_B + XXH_C;
		p += 4;
	}
	for (; p < end; p++)
		h = xxh_rotate(h ^ *p * XXH_E, 11) * XXH_A;
	h = (h ^ h >> 33) * XXH_B;
	h = (h ^ h >> 29) * XXH_C;
	return h ^ h >> 32;
}

#endif
