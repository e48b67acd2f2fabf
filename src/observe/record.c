/* record.c - the C names of malloc, in front of the next ones.
 *
 * Allocations are stamped after the real call, frees before it: whoever gets an address afterwards
 * stamps later.  A realloc is stamped on both sides.
 */
#include "base/config.h"
#include "observe/record.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define API __attribute__((visibility("default"), used))

API void *malloc(size_t n)
{
	struct tape *const t = tape();
	void *const p = real.malloc(n);
	note(t, TRACE_OP_MALLOC, record_ticks(), p, n, CALLER);
	return p;
}

API void free(void *p)
{
	struct tape *const t = tape();
	note(t, TRACE_OP_FREE, record_ticks(), p, 0, CALLER);
	if (likely(!real_is_boot(p)))
		real.free(p);
}

API void *calloc(size_t count, size_t n)
{
	size_t all;
	struct tape *const t = tape();
	void *const p = real.calloc(count, n);
	if (__builtin_mul_overflow(count, n, &all))
		all = SIZE_MAX;
	note(t, TRACE_OP_CALLOC, record_ticks(), p, all, CALLER);
	return p;
}

IN_PLACE void *record_realloc(enum trace_op op, void *p, size_t n, void *caller)
{
	struct tape *const t = tape();
	const uint64_t tick = record_ticks();
	void *q;

	if (unlikely(real_is_boot(p))) {
		q = real.malloc(n);
		for (size_t i = 0; q != NULL && i < n && real_is_boot((char *)p + i); i++)
			((char *)q)[i] = ((char *)p)[i];
	} else {
		q = real.realloc(p, n);
	}
	note_more(t, op, tick, q, n, caller, (uintptr_t)p);
	return q;
}

API void *realloc(void *p, size_t n)
{
	return record_realloc(TRACE_OP_REALLOC, p, n, CALLER);
}

API void *reallocarray(void *p, size_t count, size_t n)
{
	size_t all;

	if (__builtin_mul_overflow(count, n, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return record_realloc(TRACE_OP_REALLOCARRAY, p, all, CALLER);
}

API void *memalign(size_t align, size_t n)
{
	struct tape *const t = tape();
	void *const p = real.memalign(align, n);
	note_more(t, TRACE_OP_MEMALIGN, record_ticks(), p, n, CALLER, align);
	return p;
}

API void *aligned_alloc(size_t align, size_t n)
{
	struct tape *const t = tape();
	void *const p = real.aligned_alloc(align, n);
	note_more(t, TRACE_OP_ALIGNED_ALLOC, record_ticks(), p, n, CALLER, align);
	return p;
}

API int posix_memalign(void **out, size_t align, size_t n)
{
	struct tape *const t = tape();
	const int r = real.posix_memalign(out, align, n);
	note_more(t, TRACE_OP_POSIX_MEMALIGN, record_ticks(), r == 0 ? *out : NULL, n, CALLER,
	    align);
	return r;
}

API void *valloc(size_t n)
{
	struct tape *const t = tape();
	void *const p = real.valloc(n);
	note_more(t, TRACE_OP_VALLOC, record_ticks(), p, n, CALLER, 4096);
	return p;
}

API void *pvalloc(size_t n)
{
	struct tape *const t = tape();
	void *const p = real.pvalloc(n);
	note_more(t, TRACE_OP_PVALLOC, record_ticks(), p, n, CALLER, 4096);
	return p;
}

/* C23; no glibc has them yet, so the size ends here. */
API void free_sized(void *p, size_t n);
API void free_sized(void *p, size_t n)
{
	struct tape *const t = tape();
	note(t, TRACE_OP_FREE_SIZED, record_ticks(), p, n, CALLER);
	real.free(p);
}

API void free_aligned_sized(void *p, size_t align, size_t n);
API void free_aligned_sized(void *p, size_t align, size_t n)
{
	struct tape *const t = tape();
	note_more(t, TRACE_OP_FREE_ALIGNED_SIZED, record_ticks(), p, n, CALLER, align);
	real.free(p);
}

/* The aliases by which old programs reach past an interposed malloc. */
#define TWIN(name)                                                                                 \
	extern __typeof__(name) __libc_##name                                                      \
	    __attribute__((alias(#name) COPY_OF(name), visibility("default")))
TWIN(malloc);
TWIN(free);
TWIN(calloc);
TWIN(realloc);
TWIN(memalign);
TWIN(valloc);
TWIN(pvalloc);
