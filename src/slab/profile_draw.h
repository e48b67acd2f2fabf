/* profile_draw.h - which allocations are samples of a heap profile.
 *
 * Each size class of up to SMALL_MAX bytes, and all larger sizes together, are drawn as Poisson
 * processes of their own, in each thread: the bytes from sample to sample are exponential, of mean
 * `profile`.  An object of a class counts with the size of the class.
 *
 * Of small objects, malloc counts nothing.  It pops from a stack that only the functions here fill,
 * and free pushes elsewhere, on the thread's magazine:
 *
 *   malloc  <--pop--  given[c]  <--empty: the next few--  magazine[c]  <--push--  free
 *
 * So an empty stack tells how many objects went out since it was filled, and it is filled with no
 * more than may go out before the next sample.  Where the objects lie (root.h):
 *
 *   large magazine of c   | NULL | the magazine's, at most GIVEN_MAGAZINE_MOST | NULL | given |
 *   of class CLASS_MAX-1  | mallocs until the sample, the sample included, of each class |
 *
 * Larger objects miss malloc's fast path, and their bytes are counted down.  So are those of small
 * objects of a thread without a heap, and of all while malloc is hardened.
 *
 * Of signal handlers: one that allocates while its thread fills a stack gets its objects from the
 * magazine (GIVEN_BUSY), and one that comes between two steps of counting down makes at most one
 * sample more than is due.
 */
#ifndef SLAB_PROFILE_DRAW_H
#define SLAB_PROFILE_DRAW_H

#include "slab/settings.h"
#include "slab/thread_cache.h"

enum {
	GIVEN_MAGAZINE_MOST = 127,
	GIVEN_AT = 132,      /* of the words of a large magazine, the first given object */
	GIVEN_BUSY = -1,
};
static_assert(GIVEN_AT >= GIVEN_MAGAZINE_MOST + 3 &&
                  (GIVEN_AT + GIVEN_MOST) * sizeof(void *) <= MAGAZINE_BYTES,
    "a magazine and a stack share a large magazine");
static_assert(SMALL_CLASSES * sizeof(int64_t) <= MAGAZINE_BYTES, "a counter for each stack");

static inline void **given_bottom(const struct slab_heap *h, unsigned cls)
{
	return large_magazine(h, cls) - 1 + GIVEN_AT;
}

/* For each class: mallocs until the sample, the sample included, for which no stack was filled yet;
 * 0: not drawn yet. */
static inline int64_t *mallocs_left(const struct slab_heap *h)
{
	return (int64_t *)(large_magazine(h, CLASS_MAX - 1) - 1);
}

/* n objects left the stack of the class, and malloc did not give them out: they are not counted.
 * The calling thread owns h, or h's thread has ended; h's lock is held. */
static inline void given_flushed(const struct slab_heap *h, unsigned cls, size_t n)
{
	int64_t *const left = &mallocs_left(h)[cls];

	if (*left > 0)
		*left += (int64_t)n;
}

/* Are a thread's stacks filled?  Hardened, malloc has no magazine on its fast path. */
static inline bool given_on(void)
{
	return unlikely(sampling.mean != 0) && !hardening.on;
}

/* The calling thread's next malloc of a class of up to SMALL_MAX bytes. */
enum given {
	GIVEN_OBJECT, /* pops from given[cls] */
	GIVEN_SAMPLE,
	GIVEN_OTHER,  /* is no sample; the magazine is empty, or a signal handler calls */
};
/* The thread has stacks. */
enum given given_next(unsigned cls);

/* tc has become the cache of h: its stacks are empty, and nothing is drawn. */
void given_attach(struct thread_cache *tc, struct slab_heap *h);

/* Bytes of objects that have no stack which this thread may ask for before the next sample;
 * below 0: a sample is due.  Starts at 0. */
extern __thread int64_t profiler_left;

/* n bytes, at most DMM_SIZE_MAX, of such an object are asked for: is it a sample? */
bool profiler_drawn(void);
static inline bool profiler_due(size_t n)
{
	return unlikely((profiler_left -= (int64_t)n) < 0) && profiler_drawn();
}

/* Two moments of a thread are equal iff it has allocated nothing between them. */
struct profile_moment {
	uint64_t missed;   /* bytes of larger objects, and times that a stack was looked at */
	uintptr_t given;   /* the sum of the stacks' tops, which fall until they are filled */
};
struct profile_moment profile_moment(void);

void profile_draw_close(void);
void profile_draw_after_fork(void);

#endif
