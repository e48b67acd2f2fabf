/* call.c - each recorded call as itself: aligned, zeroed, sized, by operator. */
#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

#include "replay/replayer/private.h"

/* nothrow: a refusal is counted, not thrown. */
typedef void *op_new(size_t, const void *nothrow);
typedef void *op_new_aligned(size_t, size_t align, const void *nothrow);
typedef void op_delete(void *);
typedef void op_delete_n(void *, size_t);
typedef void op_delete_2(void *, size_t, size_t);

/* NULL: the allocator has none, and C's function is what libstdc++ would call. */
static struct {
	op_new *new, *new_array;
	op_new_aligned *new_aligned, *new_array_aligned;
	op_delete *delete, *delete_array;
	op_delete_n *delete_sized, *delete_array_sized, *delete_aligned, *delete_array_aligned;
	op_delete_2 *delete_aligned_sized, *delete_array_aligned_sized;
	op_delete_n *free_sized;
	op_delete_2 *free_aligned_sized;
} call;
static const char nothrow;

#define FIND(field, name) call.field = (__typeof__(call.field))dlsym(RTLD_DEFAULT, name)

void calls_find(void)
{
	FIND(new, "_ZnwmRKSt9nothrow_t");
	FIND(new_array, "_ZnamRKSt9nothrow_t");
	FIND(new_aligned, "_ZnwmSt11align_val_tRKSt9nothrow_t");
	FIND(new_array_aligned, "_ZnamSt11align_val_tRKSt9nothrow_t");
	FIND(delete, "_ZdlPv");
	FIND(delete_array, "_ZdaPv");
	FIND(delete_sized, "_ZdlPvm");
	FIND(delete_array_sized, "_ZdaPvm");
	FIND(delete_aligned, "_ZdlPvSt11align_val_t");
	FIND(delete_array_aligned, "_ZdaPvSt11align_val_t");
	FIND(delete_aligned_sized, "_ZdlPvmSt11align_val_t");
	FIND(delete_array_aligned_sized, "_ZdaPvmSt11align_val_t");
	FIND(free_sized, "free_sized");
	FIND(free_aligned_sized, "free_aligned_sized");
}

static void *posix(size_t align, size_t n)
{
	void *p = NULL;
	return posix_memalign(&p, align, n) == 0 ? p : NULL;
}

static void *call_new(op_new *new, size_t n)
{
	return new != NULL ? new (n, &nothrow) : malloc(n);
}

static void *call_new_aligned(op_new_aligned *new, size_t n, size_t align)
{
	return new != NULL ? new (n, align, &nothrow) : aligned_alloc(align, n);
}

void *call_alloc(const struct replay_op *op, void *old)
{
	const size_t n = op->size, align = (size_t)1 << op->align_log2;

	switch (op->op) {
	case TRACE_OP_MALLOC:
		return malloc(n);
	case TRACE_OP_CALLOC:
		return calloc(1, n);
	case TRACE_OP_REALLOC:
	case TRACE_OP_REALLOCARRAY:
		return realloc(old, n);
	case TRACE_OP_MEMALIGN:
		return memalign(align, n);
	case TRACE_OP_ALIGNED_ALLOC:
		return aligned_alloc(align, n);
	case TRACE_OP_POSIX_MEMALIGN:
		return posix(align < sizeof(void *) ? sizeof(void *) : align, n);
	case TRACE_OP_VALLOC:
		return valloc(n);
	case TRACE_OP_PVALLOC:
		return pvalloc(n);
	case TRACE_OP_NEW:
		return call_new(call.new, n);
	case TRACE_OP_NEW_ARRAY:
		return call_new(call.new_array, n);
	case TRACE_OP_NEW_ALIGNED:
		return call_new_aligned(call.new_aligned, n, align);
	default:
		return call_new_aligned(call.new_array_aligned, n, align);
	}
}

static void free_1(op_delete *delete, void *p)
{
	if (delete != NULL)
		delete (p);
	else
		free(p);
}

static void free_2(op_delete_n *delete, void *p, size_t n)
{
	if (delete != NULL)
		delete (p, n);
	else
		free(p);
}

static void free_3(op_delete_2 *delete, void *p, size_t a, size_t b)
{
	if (delete != NULL)
		delete (p, a, b);
	else
		free(p);
}

void call_free(const struct replay_op *op, void *p, size_t n)
{
	const size_t align = (size_t)1 << op->align_log2;

	switch (op->op) {
	case TRACE_OP_FREE:
		free(p);
		break;
	case TRACE_OP_FREE_SIZED:
		free_2(call.free_sized, p, n);
		break;
	case TRACE_OP_FREE_ALIGNED_SIZED:
		free_3(call.free_aligned_sized, p, align, n);
		break;
	case TRACE_OP_DELETE:
		free_1(call.delete, p);
		break;
	case TRACE_OP_DELETE_ARRAY:
		free_1(call.delete_array, p);
		break;
	case TRACE_OP_DELETE_SIZED:
		free_2(call.delete_sized, p, n);
		break;
	case TRACE_OP_DELETE_ARRAY_SIZED:
		free_2(call.delete_array_sized, p, n);
		break;
	case TRACE_OP_DELETE_ALIGNED:
		free_2(call.delete_aligned, p, align);
		break;
	case TRACE_OP_DELETE_ARRAY_ALIGNED:
		free_2(call.delete_array_aligned, p, align);
		break;
	case TRACE_OP_DELETE_ALIGNED_SIZED:
		free_3(call.delete_aligned_sized, p, n, align);
		break;
	default:
		free_3(call.delete_array_aligned_sized, p, n, align);
	}
}
