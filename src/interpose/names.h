/* names.h - every name of the drop-in contract, over a few primitives.
 *
 * The one file that includes this page, malloc_any.c or malloc_fast.c, defines before:
 *
 *   static inline void  *do_malloc(size_t n);
 *   static inline void  *do_calloc(size_t count, size_t n);
 *   static inline void  *do_realloc(void *p, size_t n);
 *   static inline void  *do_aligned(size_t align, size_t n);             align is a power of two
 *   static inline void   do_free(void *p);                               p may be NULL; keeps errno
 *   static inline void   do_free_sized(void *p, size_t align, size_t n); as they were asked for
 *   static inline size_t do_usable(const void *p);                       p may be NULL
 *
 * What returns a pointer returns NULL and sets errno to ENOMEM when there is no memory.  strdup,
 * getline and the like stay the C library's: they call malloc, and so come here anyway.
 */
#ifndef INTERPOSE_NAMES_H
#define INTERPOSE_NAMES_H

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/bits.h"
#include "interpose/interpose.h"
#include "os/os.h"

/* ---- C --------------------------------------------------------------------------------------- */

EXPORT void *malloc(size_t n)
{
	return do_malloc(n);
}

EXPORT void free(void *p)
{
	do_free(p);
}

EXPORT void *calloc(size_t count, size_t n)
{
	return do_calloc(count, n);
}

EXPORT void *realloc(void *p, size_t n)
{
	return do_realloc(p, n);
}

EXPORT void *reallocarray(void *p, size_t count, size_t n)
{
	size_t all;

	if (unlikely(__builtin_mul_overflow(count, n, &all))) {
		errno = ENOMEM;
		return NULL;
	}
	return do_realloc(p, all);
}

/* Any size: C17 dropped C11's rule that it be a multiple of the alignment. */
EXPORT void *aligned_alloc(size_t align, size_t n)
{
	if (unlikely(!is_pow2(align))) {
		errno = EINVAL;
		return NULL;
	}
	return do_aligned(align, n);
}

/* C23; not in every libc's headers yet */
EXPORT void free_sized(void *p, size_t n);
EXPORT void free_aligned_sized(void *p, size_t align, size_t n);

EXPORT void free_sized(void *p, size_t n)
{
	do_free_sized(p, DMM_ALIGN_MIN, n);
}

EXPORT void free_aligned_sized(void *p, size_t align, size_t n)
{
	do_free_sized(p, align, n);
}

/* ---- POSIX and older ------------------------------------------------------------------------- */

EXPORT int posix_memalign(void **out, size_t align, size_t n)
{
	if (unlikely(!is_pow2(align) || align % sizeof(void *) != 0))
		return EINVAL;
	const int saved = errno;
	void *const p = do_aligned(align, n);
	errno = saved;
	if (unlikely(p == NULL && n != 0))
		return ENOMEM;
	*out = p;
	return 0;
}

/* As in glibc, an alignment that is no power of two is rounded up to one. */
EXPORT void *memalign(size_t align, size_t n)
{
	if (unlikely(align > SIZE_MAX / 2 + 1)) {
		errno = EINVAL;
		return NULL;
	}
	return do_aligned((size_t)1 << log2_ceil(align), n);
}

EXPORT void *valloc(size_t n)
{
	return do_aligned(os_linux.page, n);
}

EXPORT void *pvalloc(size_t n)
{
	if (unlikely(n > DMM_SIZE_MAX)) {
		errno = ENOMEM;
		return NULL;
	}
	return do_aligned(os_linux.page, round_up(n, os_linux.page));
}

EXPORT size_t malloc_usable_size(void *p)
{
	return do_usable(p);
}

/* ---- glibc's second names, for who wraps the first ------------------------------------------- */

EXPORT void *__libc_malloc(size_t n) ALIAS(malloc);
EXPORT void __libc_free(void *p) ALIAS(free);
EXPORT void cfree(void *p) ALIAS(free); /* programs from before glibc 2.26 still find it there */
EXPORT void *__libc_calloc(size_t count, size_t n) ALIAS(calloc);
EXPORT void *__libc_realloc(void *p, size_t n) ALIAS(realloc);
EXPORT void *__libc_reallocarray(void *p, size_t count, size_t n) ALIAS(reallocarray);
EXPORT void *__libc_memalign(size_t align, size_t n) ALIAS(memalign);
EXPORT void *__libc_valloc(size_t n) ALIAS(valloc);
EXPORT void *__libc_pvalloc(size_t n) ALIAS(pvalloc);

/* ---- C++: the 8 operators new and the 12 operators delete ------------------------------------ */

/* By their names in the Itanium C++ ABI, so that C can define them and a hit stays inlined here:
 *   _Znw new   _Zna new[]   _Zdl delete   _Zda delete[]
 *   m size_t   Pv void *   St11align_val_t std::align_val_t   RKSt9nothrow_t const std::nothrow_t &
 */
EXPORT void *_Znwm(size_t n);
EXPORT void *_ZnwmRKSt9nothrow_t(size_t n, const void *nothrow);
EXPORT void *_ZnwmSt11align_val_t(size_t n, size_t align);
EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const void *nothrow);
EXPORT void _ZdlPvmSt11align_val_t(void *p, size_t n, size_t align);

EXPORT void *_Znwm(size_t n)
{
	void *const p = do_malloc(n);
	return likely(p != NULL) ? p : new_again(n, DMM_ALIGN_MIN);
}

EXPORT void *_ZnwmRKSt9nothrow_t(size_t n, const void *nothrow)
{
	(void)nothrow;
	void *const p = do_malloc(n);
	return likely(p != NULL) ? p : new_again_nothrow(n, DMM_ALIGN_MIN);
}

EXPORT void *_ZnwmSt11align_val_t(size_t n, size_t align)
{
	void *const p = do_aligned(align, n);
	return likely(p != NULL) ? p : new_again(n, align);
}

EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const void *nothrow)
{
	(void)nothrow;
	void *const p = do_aligned(align, n);
	return likely(p != NULL) ? p : new_again_nothrow(n, align);
}

EXPORT void _ZdlPvmSt11align_val_t(void *p, size_t n, size_t align)
{
	do_free_sized(p, align, n);
}

EXPORT void *_Znam(size_t n) ALIAS(_Znwm);
EXPORT void *_ZnamRKSt9nothrow_t(size_t n, const void *nothrow) ALIAS(_ZnwmRKSt9nothrow_t);
EXPORT void *_ZnamSt11align_val_t(size_t n, size_t align) ALIAS(_ZnwmSt11align_val_t);
EXPORT void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const void *nothrow)
    ALIAS(_ZnwmSt11align_val_tRKSt9nothrow_t);

/* free() ignores the arguments that follow the pointer. */
EXPORT void _ZdlPv(void *p) ALIAS(free);
EXPORT void _ZdaPv(void *p) ALIAS(free);
EXPORT void _ZdlPvRKSt9nothrow_t(void *p) ALIAS(free);
EXPORT void _ZdaPvRKSt9nothrow_t(void *p) ALIAS(free);
EXPORT void _ZdlPvSt11align_val_t(void *p) ALIAS(free);
EXPORT void _ZdaPvSt11align_val_t(void *p) ALIAS(free);
EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p) ALIAS(free);
EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p) ALIAS(free);
EXPORT void _ZdlPvm(void *p, size_t n) ALIAS(free_sized);
EXPORT void _ZdaPvm(void *p, size_t n) ALIAS(free_sized);
EXPORT void _ZdaPvmSt11align_val_t(void *p, size_t n, size_t align) ALIAS(_ZdlPvmSt11align_val_t);

#endif
