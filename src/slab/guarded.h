/* guarded.h - one object of many lies alone between inaccessible pages, and slab notes the stacks
 * that allocated and freed it. A bad access to it faults at once and is reported with these stacks
 * (after GWP-ASan, K. Serebryany et al. 2019; Electric Fence, B. Perens 1988).
 *
 *   pool    | notes: a struct guarded a slot | slot 0 | slot 1 | ...                  | guard |
 *   slot    | guard: 32 KiB                 | room: 32 KiB, open where the object's pages are |
 *   object   at the end:    | guard ..........  |####| n bytes |#| next slot's guard
 *            at the start:  | guard | n bytes |####| guard ................. |
 *                                              \ rest of its pages: a pattern, checked by free
 *
 * The side is drawn at random. An object at the end is followed by a guard after 15 bytes at most;
 * it is aligned as objects of its size class are, as aligned_alloc needs.
 *
 *   never used --> live --free: pages inaccessible, memory given back--> freed --the oldest--> live
 *
 * The pool lies outside the heap's range, so the fast path (fast.h) does not know it: malloc draws
 * a slot only when a magazine is empty, and every other call misses the range and asks here. slab
 * opens the pool for the first object drawn. Guards are page-table entries (MADV_GUARD_INSTALL,
 * Linux 6.13) in one mapping; on older kernels each live object splits a mapping in three.
 *
 * Invariants, checked by guarded_check():
 *   G1 counted   every slot is never used, live, or in the list of freed ones
 *   G2 housed    a live object lies in its slot's room, against one end of it
 */
#ifndef SLAB_GUARDED_H
#define SLAB_GUARDED_H

#include "slab/place.h"
#include "slab/settings.h"

enum {
	GUARDED_ROOM = MEDIUM_MAX, /* bytes: the largest object */
	GUARDED_SLOT = 2 * GUARDED_ROOM,
};

extern __thread int64_t guarded_left; /* objects of this thread until the next one; starts at 0 */

/* `count` objects are about to be given out: should one of them be guarded? */
static inline bool guarded_due(unsigned count)
{
	return unlikely(guarding.on && (guarded_left -= count) <= 0);
}

/* One is due: 0 < n <= MEDIUM_MAX; caller: the return address into the program, as callers_here()
 * wants it. NULL: not this time. */
void *guarded_malloc(size_t n, const void *caller);

/* May p lie in the pool? Then the following functions may be called; they end the program if p is
 * not the start of a live object. */
bool guarded_owns(const void *p);
void guarded_free(void *p);
static inline bool guarded_frees(void *p)
{
	const bool ours = guarded_owns(p);
	if (ours)
		guarded_free(p);
	return ours;
}
/* As place_of(), for any p: the program ends unless p is live. */
struct place guarded_place(const char *call, const void *p);

/* All goes back. */
void guarded_close(void);
void guarded_before_fork(void);
void guarded_after_fork_parent(void);
void guarded_after_fork_child(void);

/* Where the pool is, for the walk; 0: it is not open. */
uintptr_t guarded_address(void);
int guarded_walk(dmm_visit *visit, void *arg);
bool guarded_check(struct dmm_fault *why);

/* ---- what is known of an object, for guarded_report.c ---------------------------------------- */

enum { GUARDED_FRAMES = 16 };

struct guarded_stack {
	uint32_t thread, count;
	const void *at[GUARDED_FRAMES]; /* return addresses, innermost first */
};

enum guarded_state { GUARDED_NEVER, GUARDED_LIVE, GUARDED_FREED };

struct guarded {
	char    *p; /* the object */
	uint32_t n; /* its bytes */
	uint32_t next; /* in the list of freed ones: slot + 1, 0 ends it */
	enum guarded_state state;
	struct guarded_stack allocated, freed;
};

/* The distance from an object to a byte outside it; 0: the byte is inside. */
static inline size_t guarded_gap(const struct guarded *s, uintptr_t at)
{
	const uintptr_t start = (uintptr_t)s->p, end = start + s->n;
	return at < start ? start - at : at >= end ? at - end + 1 : 0;
}

/* Of `count` notes, the one that an address belongs to: its object contains the address, or is the
 * nearest to it, before or after a guard; NULL: none. */
static inline const struct guarded *guarded_nearest(const struct guarded *notes, size_t count,
    uintptr_t slots, uintptr_t at)
{
	const struct guarded *best = NULL;

	if (at - slots >= count * GUARDED_SLOT + GUARDED_ROOM)
		return NULL;
	for (size_t back = 2; back-- > 0;) {
		const size_t slot = (at - slots) / GUARDED_SLOT - back;
		if (slot < count && notes[slot].state != GUARDED_NEVER &&
		    (best == NULL || guarded_gap(&notes[slot], at) < guarded_gap(best, at)))
			best = &notes[slot];
	}
	return best;
}

/* The same in the pool. */
const struct guarded *guarded_meant(const void *at);
/* A guard was hit: from now on none is taken down. */
void guarded_stop(void);

/* End the program: a call ("free") got a pointer into the pool that is not a live object's start,
 * or an object whose neighbouring bytes were changed. Prints the stacks of this call and of the
 * object's. */
_Noreturn void guarded_misuse(const char *call, const void *p, const struct guarded_stack *now,
    const void *changed);

struct segv;
/* Report an access if it hit the pool; as segv_watch() wants it. */
void guarded_tell_access(const struct segv *s);

#endif
