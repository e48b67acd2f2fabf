/* split.h - selective splitting: is a chunk too big, or of reasonable size?
 *
 * As taught, a chunk is too big exactly when the remainder can form a chunk.  split_min:N asks for
 * a remainder of at least N bytes: less external fragmentation, more internal.
 */
#ifndef SYSTEM_POLICY_SPLIT_H
#define SYSTEM_POLICY_SPLIT_H

#include "base/assert.h"
#include "system/chunk.h"

static inline bool split_too_big(const struct chunk_heap *h, const struct chunk *c, size_t need)
{
	DEBUG_CHECK(need % MAX_ALIGN == 0 && need >= h->chunk_min && need <= chunk_size(c));
	return chunk_size(c) - need >= max_size(chunk_least(h, ptr_add(c, need)), h->split_min);
}

#endif
