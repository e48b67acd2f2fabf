/* size_class.h - from a size to one of about seventy object sizes.
 *
 *   class      0   1   2  ...  16   17  ...  24   25  ...  32   33 ...
 *   object     0  16  32  ... 256  288  ... 512  576  ... 1024  1088, 1152, 1216, ... 32768 bytes
 *   slab          one granule of 16 KiB for each, up to 2048 bytes; then 4, 8, 16 granules
 *
 * The rule: steps of 16 up to 256, eight per doubling up to 1 KiB, and from there the sizes that
 * divide a slab without a tail, rounded down to 64: n objects of floor64(slab / n).  Nothing above
 * 128 bytes wastes more than 1/8.  Class 0 is malloc(0): addresses without memory behind them.
 *
 * Invariants, checked exhaustively by test/slab_size_class.c:
 *   Z1 fits      class_size(class_of(n)) >= n
 *   Z2 tight     class_size(class_of(n) - 1) < n
 *   Z3 index     for every offset below 16 KiB, inverse() finds the object and whether it starts there
 */
#ifndef SLAB_SIZE_CLASS_H
#define SLAB_SIZE_CLASS_H

#include "base/config.h"

enum {
	SMALL_MAX = 1024,   /* bytes: one table entry for every 16 */
	MEDIUM_MAX = 32768, /* bytes: one table entry for every 64; beyond lie runs of granules */
	CLASS_MAX = 80,     /* room for classes; class_count says how many there are */
	CLASS_ZERO = 0,
	CLASS_RUN = 255,    /* no class: a large object */
	ZERO_SLOT = 16, /* bytes between two addresses of class 0 */
};

struct size_class {
	uint32_t size;     /* bytes from object to object; class 0: ZERO_SLOT, of which 0 are usable */
	uint32_t inverse;  /* ceil(2^32 / size): object index = offset * inverse >> 32 */
	uint16_t count;    /* objects in a slab */
	uint8_t  granules; /* in a slab */
	uint8_t  words;    /* of 64 free bits */
};

extern struct size_class size_class[CLASS_MAX];
extern uint8_t small_class[SMALL_MAX / 16 + 1];
extern uint8_t medium_class[MEDIUM_MAX / 64 + 1];
extern unsigned class_count;

/* Fill the tables; idempotent.  Until then every size is in class 0, whose bins are empty. */
void size_class_init(void);

static inline unsigned class_of(size_t n)
{
	return likely(n <= SMALL_MAX) ? small_class[(n + 15) / 16] : medium_class[(n + 63) / 64];
}

#endif
