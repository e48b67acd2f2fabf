/* clear.h - clear the bytes of an object, and ask whether they are clear.  Sizes are multiples of
 * 16. */
#ifndef SLAB_CLEAR_H
#define SLAB_CLEAR_H

#include <string.h>

#include "base/bits.h"

typedef uint64_t bytes16 __attribute__((vector_size(16), may_alias));

static inline bytes16 *at16(const void *p, size_t offset)
{
	return (bytes16 *)ptr_add(p, offset);
}

/* Up to 64 bytes by four stores that may overlap: no loop, no branch that depends on the size. */
static inline void clear64(void *p, size_t size)
{
	const size_t last = size - 16;
	const bytes16 zero = {0, 0};
	*at16(p, 0) = *at16(p, min_size(16, last)) = zero;
	*at16(p, min_size(32, last)) = *at16(p, last) = zero;
}

static inline bytes16 sum64(const void *p, size_t size)
{
	const size_t last = size - 16;
	return *at16(p, 0) | *at16(p, min_size(16, last)) | *at16(p, min_size(32, last)) |
	       *at16(p, last);
}

static inline void clear(void *p, size_t size)
{
	if (size > 128) {
		memset(p, 0, size);
	} else if (size > 64) {
		clear64(p, 64);
		clear64(ptr_add(p, size - 64), 64);
	} else {
		clear64(p, size);
	}
}

/* Pages of p that have no memory yet get it at once.  The first access to such a page would else be
 * a read, which is a fault that maps the page of zeros, and the next one a write, which is another
 * fault. */
static inline void touch(void *p, size_t size)
{
	enum { PAGE = 4096 };

	write_nothing(p);
	write_nothing(ptr_add(p, size - 1));
	for (size_t at = PAGE; unlikely(at < size); at += PAGE)
		write_nothing(ptr_add(p, at));
}

static inline bool is_clear(const void *p, size_t size)
{
	const size_t last = size > 64 ? size - 64 : 0;
	bytes16 sum = sum64(ptr_add(p, last), size - last);

	for (size_t at = 0; at < last; at += 64)
		sum |= sum64(ptr_add(p, at), 64);
	return (sum[0] | sum[1]) == 0;
}

#endif
