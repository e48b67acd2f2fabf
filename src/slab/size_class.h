/* size_class.h - from a size to one of about eighty object sizes.
 *
 *   class      0   1   2  ...  32   33 ...   40   41 ...
 *   object     0  16  32  ... 512  576 ... 1024  1088, 1152, 1216, ... 32768 bytes
 *   slab          one granule of 16 KiB for each, up to 2304 bytes; then 1 to 8 granules
 *
 * The rule: steps of 16 up to 512, of 64 up to 1 KiB, and from there the sizes that divide a slab
 * without a tail, rounded down to 64: n objects of floor64(slab / n).  Nothing above 128 bytes
 * wastes more than 1/8.  Class 0 is malloc(0): addresses without memory behind them.
 *
 * With canaries there is one more class, for MEDIUM_MAX bytes and a canary: programs allocate
 * buffers of exactly 32 KiB again and again (zlib's window), and as large objects each would cost
 * system calls and new pages.
 *
 * Above 2 KiB the slabs are the smallest that allow this, with four objects or more up to 8 KiB,
 * three up to 16 KiB, then two: a program uses every class a little, and under a huge page all of a
 * slab is resident.
 *
 * Invariants, checked exhaustively by test/unit/slab/size_class_test.c:
 *   Z1 fits      class_size(class_of(n)) >= n
 *   Z2 tight     class_size(class_of(n) - 1) < n
 *   Z3 aligned   sizes up to LINEAR_MAX are 16 times their class, all others multiples of 64
 */
#ifndef SLAB_SIZE_CLASS_H
#define SLAB_SIZE_CLASS_H

#include "base/config.h"

enum {
	LINEAR_MAX = 512,   /* bytes: up to here a class for every 16 */
	SMALL_MAX = 1024,   /* bytes: one table entry for every 16, */
	MEDIUM_MAX = 32768, /* and from there for every 64; beyond lie runs of granules */
	SLAB_GRANULES_MAX = 8,
	CANARIED_MAX = MEDIUM_MAX + 64, /* with canaries: an object of MEDIUM_MAX and its canary */
	CLASS_MAX = 80,     /* room for classes; class_count says how many there are */
	CLASS_ZERO = 0,
	SMALL_CLASSES = LINEAR_MAX / 16 + (SMALL_MAX - LINEAR_MAX) / 64 + 1,
	CLASS_RUN = 255,    /* no class: a large object */
	ZERO_SLOT = 16, /* bytes between two addresses of class 0 */
	GIVEN_BYTES = 8192, /* a stack is filled with objects of this many bytes, */
	GIVEN_LEAST = 8,    /* or with that many, */
	GIVEN_MOST = 63,    /* and no more */
};

struct size_class {
	/* bytes from object to object; class 0: ZERO_SLOT, of which 0 are usable */
	uint16_t size;
	uint16_t count;    /* objects in a slab */
	uint16_t cached;   /* objects that a thread keeps in its magazine at most */
	uint8_t  granules; /* in a slab */
	uint8_t  given;    /* objects with which profile_draw.c fills a stack at most */
};
static_assert(CANARIED_MAX < UINT16_MAX, "a size fits");

extern HIDDEN struct size_class size_class[CLASS_MAX];
extern HIDDEN unsigned class_count;
/* Class times the bytes of a magazine; 0 before the start. */
extern HIDDEN uint16_t small_place[SMALL_MAX / 16 + 1];
extern HIDDEN uint16_t medium_place[MEDIUM_MAX / 64 + 1];
extern HIDDEN uint8_t medium_class[CANARIED_MAX / 64 + 1];
/* Where the pointer lies from which malloc pops for n bytes, for each n up to SMALL_MAX, less
 * own_varying(thread_cache): a struct magazine, or, while a profile is taken, a stack
 * (profile_draw.h).  Programs ask for sizes below and above any bound by turns, and a branch there
 * would be foreseen as seldom: so all small sizes take one table and no arithmetic. */
extern HIDDEN int32_t small_at[SMALL_MAX + 1];
extern HIDDEN size_t small_below; /* SMALL_MAX + 1; 0 before the start */

/* Fill all tables but small_at, unless they were filled for the same settings.  hidden:
 * medium_place names the magazine that is always empty, so that every malloc of more than
 * SMALL_MAX misses the fast path; the classes are the same. */
void size_class_init(bool hidden);
/* Fill small_at: the pointer for class 0 lies at `from`, and each next one `step` bytes on. */
void size_class_point(uintptr_t from, size_t step);

/* n: up to MEDIUM_MAX, or with canaries up to CANARIED_MAX. */
static inline unsigned class_of(size_t n)
{
	return likely(n <= SMALL_MAX) ? small_place[(n + 15) / 16] / 16u
	                              : medium_class[(n + 63) / 64];
}

#endif
