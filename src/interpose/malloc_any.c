/* malloc_any.c - any system as the process's malloc: libdmm-NAME.so, or a student's own.
 *
 * Invariants:
 *   M1 the heap opens in the first call: from a constructor, the dynamic linker, dlsym
 *   M2 what opens it neither allocates nor needs a C library that is ready
 *   M3 it never closes: destructors of others, and atexit, still free
 *
 * Who may touch what: `conf` and `heap` are written under `opening` before `open` is set, and then
 * belong to heap.h's lock; `calls` and `perturb` are anybody's.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/where.h"
#include "interpose/conf.h"
#include "interpose/interpose.h"
#include "os/dlopen.h"
#include "os/os.h"
#include "system/heap.h"

static struct lock opening;
static atomic_bool guarded; /* the fork handlers are registered, or about to be */
static atomic_bool open;
static struct conf conf;
static struct heap heap;
static _Atomic size_t calls[5];
static _Atomic unsigned char perturb; /* 0: nothing is filled */

/* False: the kernel gave no memory for the heap itself; the next call tries again. */
static __attribute__((noinline, cold)) bool open_heap(void)
{
	bool first = false;

	/* Before any lock, since it may allocate; then every fork finds a handler for the lock. */
	if (!atomic_exchange(&guarded, true))
		fork_guard();
	lock_take(&opening);
	if (!atomic_load_explicit(&open, memory_order_relaxed)) {
		const struct dmm_system *const sys = dmm_system_entry();
		if (sys->abi != DMM_SYSTEM_ABI)
			crash("system %s has ABI %u, this is dmm with ABI %u", sys->name,
			    (size_t)sys->abi, (size_t)DMM_SYSTEM_ABI);
		conf_read(&conf, sys);
		first = heap_open(&heap, sys, &conf.params, os_here()) == 0;
		atomic_store_explicit(&open, first, memory_order_release);
	}
	lock_give(&opening);
	if (first && conf.stats)
		usage_at_exit();
	return atomic_load_explicit(&open, memory_order_acquire);
}

static inline bool is_open(void)
{
	return likely(atomic_load_explicit(&open, memory_order_acquire)) || open_heap();
}

/* The caller that a crash line names.  Every caller of this function must be inlined into the
 * function that the program called. */
static inline __attribute__((always_inline)) void note_caller(void)
{
	where_called = __builtin_return_address(0);
}

static inline void count(enum usage_call call)
{
	if (unlikely(conf.stats))
		atomic_fetch_add_explicit(&calls[call], 1, memory_order_relaxed);
}

static void *no_heap(void)
{
	errno = ENOMEM;
	return NULL;
}

/* mallopt(M_PERTURB): the bytes of a new object from its `from`-th on. */
static inline void *perturbed(void *p, size_t from, size_t n)
{
	const unsigned char byte = atomic_load_explicit(&perturb, memory_order_relaxed);

	if (unlikely(byte != 0) && p != NULL && n > from)
		memset((char *)p + from, (unsigned char)~byte, n - from);
	return p;
}

static inline void *do_malloc(size_t n)
{
	if (!is_open())
		return no_heap();
	count(USAGE_MALLOC);
	return perturbed(heap_malloc(&heap, n), 0, n);
}

static inline void *do_calloc(size_t number, size_t n)
{
	if (!is_open())
		return no_heap();
	count(USAGE_CALLOC);
	return heap_calloc(&heap, number, n);
}

static inline __attribute__((always_inline)) void *do_realloc(void *p, size_t n)
{
	if (!is_open())
		return no_heap();
	note_caller();
	count(USAGE_REALLOC);
	if (likely(atomic_load_explicit(&perturb, memory_order_relaxed) == 0))
		return heap_realloc(&heap, p, n);
	const size_t had = p != NULL ? heap_usable(&heap, p) : 0;
	return perturbed(heap_realloc(&heap, p, n), had, n);
}

static inline void *do_aligned(size_t align, size_t n)
{
	if (!is_open())
		return no_heap();
	count(USAGE_ALIGNED);
	return perturbed(heap_aligned(&heap, align, n), 0, n);
}

static inline __attribute__((always_inline)) void do_free(void *p)
{
	if (p == NULL || !is_open())
		return;
	note_caller();
	count(USAGE_FREE);
	const unsigned char byte = atomic_load_explicit(&perturb, memory_order_relaxed);
	if (unlikely(byte != 0))
		memset(p, byte, heap_usable(&heap, p));
	heap_free(&heap, p);
}

/* The systems of the lecture find the size by themselves. */
static inline __attribute__((always_inline)) void do_free_sized(void *p, size_t align, size_t n)
{
	(void)align;
	(void)n;
	do_free(p);
}

/* The systems of the lecture do not tell who allocated. */
static inline void *do_new(size_t n, enum origin origin)
{
	(void)origin;
	return do_malloc(n);
}

static inline void *do_new_aligned(size_t align, size_t n, enum origin origin)
{
	(void)origin;
	return do_aligned(align, n);
}

static inline __attribute__((always_inline)) void do_delete(void *p, enum origin origin)
{
	(void)origin;
	do_free(p);
}

static inline __attribute__((always_inline)) void do_delete_sized(void *p, size_t align, size_t n,
    enum origin origin)
{
	(void)align;
	(void)n;
	do_delete(p, origin);
}

static inline size_t do_usable(const void *p)
{
	return is_open() ? heap_usable(&heap, p) : 0;
}

#include "interpose/names.h"

bool dlopen_keeps_deepbind(void)
{
	return is_open() && conf.deepbind;
}

void *interpose_new(size_t align, size_t n, enum origin origin)
{
	return do_new_aligned(align, n, origin);
}

bool interpose_perturb(unsigned char byte)
{
	atomic_store_explicit(&perturb, byte, memory_order_relaxed);
	return true;
}

static int add_piece(void *arg, const struct dmm_piece *piece)
{
	struct usage *const u = arg;
	u->bytes[piece->kind] += piece->len;
	u->pieces[piece->kind]++;
	return 0;
}

void interpose_measure(struct usage *u)
{
	*u = (struct usage){.system = dmm_system_entry()->name};
	if (!is_open())
		return;
	for (int i = 0; i < 5; i++)
		u->calls[i] = atomic_load_explicit(&calls[i], memory_order_relaxed);
	heap_walk(&heap, add_piece, u);
}

size_t interpose_trim(size_t keep)
{
	return is_open() ? heap_trim(&heap, keep) : 0;
}

/* Whether the heap is open does not change while `opening` is held. */
void interpose_before_fork(void)
{
	lock_fork_take(&opening);
	if (atomic_load(&open))
		heap_before_fork(&heap);
}

void interpose_after_fork_parent(void)
{
	if (atomic_load(&open))
		heap_after_fork_parent(&heap);
	lock_fork_give(&opening);
}

void interpose_after_fork_child(void)
{
	lock_fork_forget();
	if (atomic_load(&open))
		heap_after_fork_child(&heap);
	lock_fork_child(&opening);
}

/* At the latest before main: a thread may be there that has not called malloc yet. */
static __attribute__((constructor)) void open_before_main(void)
{
	is_open();
}
