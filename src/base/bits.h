/* bits.h - arithmetic on sizes, addresses and powers of two. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"

static inline bool is_pow2(size_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

/* Ones in x: in twelve instructions everywhere, where the builtin is a call on x86-64's
 * baseline. */
static inline unsigned popcount(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555;
	x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return (unsigned)(x * 0x0101010101010101 >> 56);
}

/* `to` is a power of two; wraps to 0 when x lies within `to` of SIZE_MAX. */
static inline size_t round_up(size_t x, size_t to)
{
	return (x + to - 1) & ~(to - 1);
}

static inline size_t round_down(size_t x, size_t to)
{
	return x & ~(to - 1);
}

/* floor(log2 x), x > 0 */
static inline unsigned log2_floor(size_t x)
{
	return 63u - (unsigned)__builtin_clzll(x);
}

/* The number of the lowest bit that is set, x > 0. */
static inline size_t lowest_one(uint64_t x)
{
	return bit_scan(x);
}

/* ceil(log2 x), x > 0 */
static inline unsigned log2_ceil(size_t x)
{
	return x <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(x - 1);
}

static inline size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* As integers: what the program hands to free may be no address at all, and then C's own pointer
 * arithmetic would be undefined. */
static inline void *ptr_add(const void *p, size_t n)
{
	return (void *)((uintptr_t)p + n);
}

static inline void *ptr_sub(const void *p, size_t n)
{
	return (void *)((uintptr_t)p - n);
}

/* Bytes from `from` up to `to`. */
static inline size_t ptr_diff(const void *to, const void *from)
{
	return (uintptr_t)to - (uintptr_t)from;
}

static inline bool is_aligned(const void *p, size_t align)
{
	return ((uintptr_t)p & (align - 1)) == 0;
}

/* Tell the core that this is a spin loop. */
static inline void cpu_relax(void)
{
	__asm__ volatile(CPU_RELAX ::: "memory");
}

#endif
