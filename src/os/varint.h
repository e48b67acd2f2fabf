/* varint.h - seven bits a byte, low bits first, the high bit says that more follow: without a
 * branch on the length, which no predictor foresees. Six instructions where the core has fast
 * BMI2. */
#ifndef OS_VARINT_H
#define OS_VARINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bits.h"

/* x < 2^56 as its bytes in a word, of which *len (1 to 8) count. */
static inline uint64_t varint_plain(uint64_t x, unsigned *len)
{
	const unsigned more = log2_floor(x | 1) / 7; /* bytes after the first */

	x = (x & 0xfffffff0000000) << 4 | (x & 0xfffffff); /* spread by halves */
	x = (x & 0x0fffc0000fffc000) << 2 | (x & 0x00003fff00003fff);
	x = (x & 0x3f803f803f803f80) << 1 | (x & 0x007f007f007f007f);
	*len = more + 1;
	return x | (0x8080808080808080 & (((uint64_t)1 << 8 * more) - 1));
}

#if defined(__x86_64__)
/* In assembly: the function that this is inlined into is compiled for all cores. */
static inline uint64_t varint_fast(uint64_t x, unsigned *len)
{
	uint64_t zeros, spread, follow;

	__asm__("lzcnt %1, %0" : "=r"(zeros) : "r"(x | 1) : "cc");
	const unsigned more = (unsigned)(63 - zeros) * 37 >> 8; /* / 7, up to 63 */
	__asm__("pdep %2, %1, %0" : "=r"(spread) : "r"(x), "r"(UINT64_C(0x7f7f7f7f7f7f7f7f)));
	__asm__("bzhi %2, %1, %0"
	        : "=r"(follow)
	        : "r"(UINT64_C(0x8080808080808080)), "r"((uint64_t)8 * more)
	        : "cc");
	*len = more + 1;
	return spread | follow;
}

/* A core with BMI2 has lzcnt too. Zen 1 and 2 have pdep, but it takes 18 cycles and more. */
static inline bool varint_fast_here(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("bmi2") && !__builtin_cpu_is("znver1") &&
	       !__builtin_cpu_is("znver2");
}
#else
static inline uint64_t varint_fast(uint64_t x, unsigned *len)
{
	return varint_plain(x, len);
}

static inline bool varint_fast_here(void)
{
	return false;
}
#endif

#endif
