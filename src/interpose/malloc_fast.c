/* malloc_fast.c - slab as the process's malloc: libdmm.so and libdmm.a.  No table, no lock, no test
 * whether the heap is open: a hit is fast.h, inlined into malloc and free.
 *
 * Invariants:
 *   F1 the heap opens in the first slow path, which is the first call of all
 *   F2 what opens it neither allocates nor needs a C library that is ready
 */
#include <stdlib.h>

#include "interpose/interpose.h"
#include "os/dlopen.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/settings.h"
#include "slab/system.h"

static inline void *do_malloc(size_t n)
{
	return slab_malloc(n);
}

static inline void *do_calloc(size_t count, size_t n)
{
	return slab_calloc(count, n);
}

static inline void *do_realloc(void *p, size_t n)
{
	return slab_realloc(p, n);
}

static inline void *do_aligned(size_t align, size_t n)
{
	return slab_aligned(align, n);
}

static inline void do_free(void *p)
{
	slab_free(p);
}

static inline void do_free_sized(void *p, size_t align, size_t n)
{
	if (align <= DMM_ALIGN_MIN)
		slab_free_sized(p, n);
	else
		slab_free_aligned_sized(p, align, n);
}

static inline size_t do_usable(const void *p)
{
	return slab_usable(p);
}

#include "interpose/names.h"

const char *slab_settings_text(void)
{
	return secure_getenv("DMM_CONF"); /* NULL while there is no environment yet */
}

bool dlopen_keeps_deepbind(void)
{
	return slab_start_up() && surface.deepbind;
}

void *interpose_aligned(size_t align, size_t n)
{
	return slab_aligned(align, n);
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
	*u = (struct usage){.system = "slab"};
	slab_walk(add_piece, u);
}

size_t interpose_trim(size_t keep)
{
	return slab_trim(keep);
}

void interpose_before_fork(void)
{
	slab_before_fork();
}

void interpose_after_fork_parent(void)
{
	slab_after_fork_parent();
}

void interpose_after_fork_child(void)
{
	slab_after_fork_child();
}

/* At the latest before main, so that the first thread finds the fork handlers registered. */
static __attribute__((constructor)) void open_before_main(void)
{
	if (slab_start_up())
		fork_guard();
}
