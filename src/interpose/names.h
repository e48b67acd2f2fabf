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
 *   do_new, do_new_aligned, do_delete, do_delete_sized: the same for C++, with an enum origin
 *
 * What returns a pointer returns NULL and sets errno to ENOMEM when there is no memory.  strdup,
 * getline and the like stay the C library's: they call malloc, and so come here anyway.
 */
#ifndef INTERPOSE_NAMES_H
#define INTERPOSE_NAMES_H

#include <errno.h>
#include <stdlib.h>

#include "base/bits.h"
#include "interpose/interpose.h"
#include "os/libc.h"
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
	return do_aligned(os_here()->page, n);
}

EXPORT void *pvalloc(size_t n)
{
	if (unlikely(n > DMM_SIZE_MAX)) {
		errno = ENOMEM;
		return NULL;
	}
	return do_aligned(os_here()->page, round_up(n, os_here()->page));
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
#define NEW_FAMILY(NEW, DELETE, ORIGIN)                                                           \
	EXPORT void *NEW##m(size_t n);                                                            \
	EXPORT void *NEW##mRKSt9nothrow_t(size_t n, const void *nothrow);                         \
	EXPORT void *NEW##mSt11align_val_t(size_t n, size_t align);                               \
	EXPORT void *NEW##mSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const void *no); \
	EXPORT void DELETE##Pv(void *p);                                                          \
	EXPORT void DELETE##Pvm(void *p, size_t n);                                               \
	EXPORT void DELETE##PvmSt11align_val_t(void *p, size_t n, size_t align);                  \
	EXPORT void *NEW##m(size_t n)                                                             \
	{                                                                                         \
		void *const p = do_new(n, ORIGIN);                                                \
		return likely(p != NULL) ? p : new_again(n, DMM_ALIGN_MIN, ORIGIN);               \
	}                                                                                         \
	EXPORT void *NEW##mRKSt9nothrow_t(size_t n, const void *nothrow)                          \
	{                                                                                         \
		(void)nothrow;                                                                    \
		void *const p = do_new(n, ORIGIN);                                                \
		return likely(p != NULL) ? p : new_again_nothrow(n, DMM_ALIGN_MIN, ORIGIN);       \
	}                                                                                         \
	EXPORT void *NEW##mSt11align_val_t(size_t n, size_t align)                                \
	{                                                                                         \
		void *const p = do_new_aligned(align, n, ORIGIN);                                 \
		return likely(p != NULL) ? p : new_again(n, align, ORIGIN);                       \
	}                                                                                         \
	EXPORT void *NEW##mSt11align_val_tRKSt9nothrow_t(size_t n, size_t align, const void *no)  \
	{                                                                                         \
		(void)no;                                                                         \
		void *const p = do_new_aligned(align, n, ORIGIN);                                 \
		return likely(p != NULL) ? p : new_again_nothrow(n, align, ORIGIN);               \
	}                                                                                         \
	EXPORT void DELETE##Pv(void *p)                                                           \
	{                                                                                         \
		do_delete(p, ORIGIN);                                                             \
	}                                                                                         \
	EXPORT void DELETE##Pvm(void *p, size_t n)                                                \
	{                                                                                         \
		do_delete_sized(p, DMM_ALIGN_MIN, n, ORIGIN);                                     \
	}                                                                                         \
	EXPORT void DELETE##PvmSt11align_val_t(void *p, size_t n, size_t align)                   \
	{                                                                                         \
		do_delete_sized(p, align, n, ORIGIN);                                             \
	}                                                                                         \
	/* delete ignores the arguments that follow the pointer */                                \
	EXPORT void DELETE##PvRKSt9nothrow_t(void *p) ALIAS(DELETE##Pv);                          \
	EXPORT void DELETE##PvSt11align_val_t(void *p) ALIAS(DELETE##Pv);                         \
	EXPORT void DELETE##PvSt11align_val_tRKSt9nothrow_t(void *p) ALIAS(DELETE##Pv)

NEW_FAMILY(_Znw, _Zdl, ORIGIN_NEW);
NEW_FAMILY(_Zna, _Zda, ORIGIN_NEW_ARRAY);

#endif
