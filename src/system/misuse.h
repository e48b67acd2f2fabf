/* misuse.h - a line that names the program's mistake, in exactly these words, then abort.
 *
 *   dmm: double free: 0x... (48 bytes)
 *   dmm: invalid free: 0x... (no chunk of this heap)
 */
#ifndef SYSTEM_MISUSE_H
#define SYSTEM_MISUSE_H

#include "base/crash.h"

/* n: bytes that the chunk could hold. */
static inline _Noreturn void misuse_double_free(const void *p, size_t n)
{
	crash("double free: %p (%u bytes)", p, n);
}

static inline _Noreturn void misuse_invalid_free(const void *p)
{
	crash("invalid free: %p (no chunk of this heap)", p);
}

#endif
