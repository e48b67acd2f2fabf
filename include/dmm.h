/* dmm.h - heaps of a program's own, beside malloc: one for a request, a plug-in, a buffer.
 *
 *     struct dmm_heap *h = dmm_heap_create(&(struct dmm_heap_options){.limit_bytes = 64 << 20});
 *     char *p = dmm_heap_malloc(h, 100);
 *     ...
 *     dmm_heap_destroy(h);                  all of it at once, however many objects live
 *
 * Link with -ldmm-heaps (pkg-config dmm-heaps, CMake dmm::heaps or dmm::heaps_static).  The
 * program's malloc may be any: these functions call none.  A heap is one of the lecture's designs
 * over a range of addresses of its own, or over a buffer of the caller's.
 *
 * slab, the malloc of libdmm.so, cannot be such a heap: a process has one of it.  Its malloc and
 * free know the one table of slabs and the one window of addresses by constant addresses; a second
 * heap would need a register more in both, magazines for each pair of thread and heap, and a table
 * over all windows that finds the heap of a pointer.  dmm_heap_create() refuses the name "slab"
 * with ENOTSUP and a problem that says so.  Take "gnu", the default, instead; "segdata" and
 * "segmeta" keep objects in classes of sizes, as slab does.
 *
 * Every function may be called by several threads at once, on one heap as well; but nobody may use
 * a heap that is being destroyed.  A child of fork() has all heaps as they were.  Functions that
 * return a pointer return NULL and set errno when they cannot; others leave errno alone.
 */
#ifndef DMM_H
#define DMM_H

#include "dmm_system.h"

#ifdef __cplusplus
extern "C" {
#endif

struct dmm_heap;

/* All 0: a heap of the design gnu that grows without a limit. */
struct dmm_heap_options {
	const char *design; /* a name of dmm_heap_design(); NULL: "gnu" */
	const char *conf;   /* settings of the design, "fit:best,split_min:64"; NULL: as it comes */
	/* A heap within these bytes, of which it uses whole pages; the caller owns them, and frees
	 * them after dmm_heap_destroy().  NULL: the heap maps memory as it grows. */
	void *buffer;
	size_t buffer_bytes; /* at least 16 KiB */
	/* The heap obtains at most this many bytes, with all its metadata; 0: what its addresses
	 * hold. */
	size_t limit_bytes;
	/* Addresses that a growing heap takes when it is created, and beyond which it cannot grow;
	 * they cost no memory.  0: twice the limit, or 64 GiB, or the most that the process may
	 * have. */
	size_t reserve_bytes;
	/* Where a line that says what was wrong with these options goes; NULL: nowhere. */
	char *problem;
	size_t problem_bytes;
};

/* The i-th design that a heap can have; NULL: there are no more. */
const char *dmm_heap_design(size_t i);

/* options: NULL is as all 0; read during the call only.  NULL and errno: ENOENT no such design;
 * ENOTSUP the design is slab, or there is no buffer and the kernel's pages are not of 4 KiB; EINVAL
 * a setting or a size that is none; ENOMEM. */
struct dmm_heap *dmm_heap_create(const struct dmm_heap_options *options);
/* Every object of it is gone, and its memory is the system's or the caller's again: without a look
 * at any object. NULL: nothing happens. */
void dmm_heap_destroy(struct dmm_heap *h);

/* As malloc, calloc, aligned_alloc, realloc and free, in this heap.  ENOMEM: this heap is at its
 * limit, or the system has no memory; other heaps, and malloc, go on.  A pointer that lies outside
 * of this heap ends the program with a line on stderr. */
void *dmm_heap_malloc(struct dmm_heap *h, size_t n);
void *dmm_heap_calloc(struct dmm_heap *h, size_t count, size_t n);
void *dmm_heap_aligned(struct dmm_heap *h, size_t align, size_t n);
void *dmm_heap_realloc(struct dmm_heap *h, void *p, size_t n);
void dmm_heap_free(struct dmm_heap *h, void *p);
/* The bytes of a live object that may be used; 0 for NULL. */
size_t dmm_heap_usable(struct dmm_heap *h, const void *p);
/* Give back what the design can give back; how many bytes that was. */
size_t dmm_heap_trim(struct dmm_heap *h);

/* Call visit for every stretch of the heap, in order of address: dmm_system.h has struct dmm_piece.
 * The visitor sees the heap as it was when the walk began, and holds no lock: it may allocate and
 * free, also in this heap, and may destroy it.  Anything but 0 ends the walk, which then returns
 * it.  -1 with errno ENOMEM: no memory for the walk. */
int dmm_heap_walk(struct dmm_heap *h, dmm_visit *visit, void *arg);

/* Do all invariants of the design hold?  False: *why says which does not. */
bool dmm_heap_check(struct dmm_heap *h, struct dmm_fault *why);

struct dmm_heap_usage {
	const char *design;
	size_t live_bytes, live_objects; /* with the padding of each */
	size_t free_bytes, free_pieces;
	size_t meta_bytes, pad_bytes;
	size_t owned_bytes, peak_bytes; /* obtained: now, and at most so far; live + free + meta +
	                                   pad, in whole pages */
	size_t limit_bytes;             /* SIZE_MAX: none */
	size_t refused;                 /* requests of the design for memory that were refused */
};

/* Exact at the moment of the call; it walks the heap. */
void dmm_heap_stats(struct dmm_heap *h, struct dmm_heap_usage *out);

#ifdef __cplusplus
}
#endif
#endif
