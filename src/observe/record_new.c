/* record_new.c - C++'s operators, by their mangled names: the recorder must not need libstdc++.
 *
 * They stand directly on the real malloc, so that one `new` is one event.  When that fails, the
 * next operator in line calls the program's new-handler and throws; a program that never brought
 * one along cannot have called us.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "observe/record.h"

#define API(mangled) __asm__(mangled) __attribute__((visibility("default"), used))

typedef void *new_plain(size_t); /* function types: a cast of dlsym needs a name */
typedef void *new_aligned(size_t, size_t);

IN_PLACE void *record_new(enum trace_op op, size_t n, void *caller, const char *next)
{
	struct tape *const t = tape();
	void *p = real.malloc(n);

	if (unlikely(p == NULL) && next != NULL) {
		new_plain *const f = (new_plain *)(uintptr_t)dlsym(RTLD_NEXT, next);
		return f != NULL ? f(n) : NULL;
	}
	note(t, op, record_ticks(), p, n, caller);
	return p;
}

IN_PLACE void *record_new_aligned(enum trace_op op, size_t n, size_t align, void *caller,
    const char *next)
{
	struct tape *const t = tape();
	void *p = real.memalign(align, n);

	if (unlikely(p == NULL) && next != NULL) {
		new_aligned *const f = (new_aligned *)(uintptr_t)dlsym(RTLD_NEXT, next);
		return f != NULL ? f(n, align) : NULL;
	}
	note_more(t, op, record_ticks(), p, n, caller, align);
	return p;
}

#define NEW(f, mangled, op, next)                                                                  \
	void *f(size_t n) API(mangled);                                                            \
	void *f(size_t n)                                                                          \
	{                                                                                          \
		return record_new(op, n, CALLER, next);                                            \
	}
#define NEW_NOTHROW(f, mangled, op)                                                                \
	void *f(size_t n, const void *nothrow) API(mangled);                                       \
	void *f(size_t n, const void *nothrow)                                                     \
	{                                                                                          \
		(void)nothrow;                                                                     \
		return record_new(op, n, CALLER, NULL);                                            \
	}
#define NEW_ALIGNED(f, mangled, op, next)                                                          \
	void *f(size_t n, size_t align) API(mangled);                                              \
	void *f(size_t n, size_t align)                                                            \
	{                                                                                          \
		return record_new_aligned(op, n, align, CALLER, next);                             \
	}
#define NEW_ALIGNED_NOTHROW(f, mangled, op)                                                        \
	void *f(size_t n, size_t align, const void *nothrow) API(mangled);                         \
	void *f(size_t n, size_t align, const void *nothrow)                                       \
	{                                                                                          \
		(void)nothrow;                                                                     \
		return record_new_aligned(op, n, align, CALLER, NULL);                             \
	}

NEW(op_new, "_Znwm", TRACE_OP_NEW, "_Znwm")
NEW(op_new_array, "_Znam", TRACE_OP_NEW_ARRAY, "_Znam")
NEW_NOTHROW(op_new_nothrow, "_ZnwmRKSt9nothrow_t", TRACE_OP_NEW)
NEW_NOTHROW(op_new_array_nothrow, "_ZnamRKSt9nothrow_t", TRACE_OP_NEW_ARRAY)
NEW_ALIGNED(op_new_aligned, "_ZnwmSt11align_val_t", TRACE_OP_NEW_ALIGNED, "_ZnwmSt11align_val_t")
NEW_ALIGNED(op_new_array_aligned, "_ZnamSt11align_val_t", TRACE_OP_NEW_ARRAY_ALIGNED,
    "_ZnamSt11align_val_t")
NEW_ALIGNED_NOTHROW(op_new_aligned_nothrow, "_ZnwmSt11align_val_tRKSt9nothrow_t",
    TRACE_OP_NEW_ALIGNED)
NEW_ALIGNED_NOTHROW(op_new_array_aligned_nothrow, "_ZnamSt11align_val_tRKSt9nothrow_t",
    TRACE_OP_NEW_ARRAY_ALIGNED)

IN_PLACE void record_delete(enum trace_op op, void *p, size_t n, size_t align, void *caller)
{
	struct tape *const t = tape();

	if (trace_op_has_more(op))
		note_more(t, op, record_ticks(), p, n, caller, align);
	else
		note(t, op, record_ticks(), p, n, caller);
	real.free(p);
}

#define DELETE(f, mangled, op)                                                                     \
	void f(void *p) API(mangled);                                                              \
	void f(void *p)                                                                            \
	{                                                                                          \
		record_delete(op, p, 0, 0, CALLER);                                                \
	}
/* A second and third argument of nothrow have no meaning for us. */
#define DELETE_WITH(f, mangled, op, second, n, align)                                              \
	void f(void *p, second) API(mangled);                                                      \
	void f(void *p, second)                                                                    \
	{                                                                                          \
		(void)x;                                                                           \
		record_delete(op, p, n, align, CALLER);                                            \
	}
#define DELETE_TWO(f, mangled, op, third, n, align)                                                \
	void f(void *p, size_t x, third) API(mangled);                                             \
	void f(void *p, size_t x, third)                                                           \
	{                                                                                          \
		(void)x, (void)y;                                                                  \
		record_delete(op, p, n, align, CALLER);                                            \
	}

DELETE(op_delete, "_ZdlPv", TRACE_OP_DELETE)
DELETE(op_delete_array, "_ZdaPv", TRACE_OP_DELETE_ARRAY)
DELETE_WITH(op_delete_nothrow, "_ZdlPvRKSt9nothrow_t", TRACE_OP_DELETE, const void *x, 0, 0)
DELETE_WITH(op_delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", TRACE_OP_DELETE_ARRAY, const void *x,
    0, 0)
DELETE_WITH(op_delete_sized, "_ZdlPvm", TRACE_OP_DELETE_SIZED, size_t x, x, 0)
DELETE_WITH(op_delete_array_sized, "_ZdaPvm", TRACE_OP_DELETE_ARRAY_SIZED, size_t x, x, 0)
DELETE_WITH(op_delete_aligned, "_ZdlPvSt11align_val_t", TRACE_OP_DELETE_ALIGNED, size_t x, 0, x)
DELETE_WITH(op_delete_array_aligned, "_ZdaPvSt11align_val_t", TRACE_OP_DELETE_ARRAY_ALIGNED,
    size_t x, 0, x)
DELETE_TWO(op_delete_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t",
    TRACE_OP_DELETE_ALIGNED, const void *y, 0, x)
DELETE_TWO(op_delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t",
    TRACE_OP_DELETE_ARRAY_ALIGNED, const void *y, 0, x)
DELETE_TWO(op_delete_aligned_sized, "_ZdlPvmSt11align_val_t", TRACE_OP_DELETE_ALIGNED_SIZED,
    size_t y, x, y)
DELETE_TWO(op_delete_array_aligned_sized, "_ZdaPvmSt11align_val_t",
    TRACE_OP_DELETE_ARRAY_ALIGNED_SIZED, size_t y, x, y)
