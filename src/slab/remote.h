/* remote.h - frees by another thread than the slab's.
 *
 *   freeing thread                                   owner, at its next slow path
 *     marks[w] |= bit     (the object is free)         inbox, 0 = exchange
 *     tag |= REMOTE       (who set the first, pushes)  for each slab: tag &= ~REMOTE;
 *     push the slab on its heap's inbox                  for each word m of marks:
 *                                                          live[w] &= ~m, marks[w] &= ~m,
 *                                                          avail[w] |= m
 *     marked, but not live, while the lock of the heap is held: freed twice
 *
 * Setting the bit comes before the first granule's flag: so the owner, who clears the flag before
 * it looks, misses nothing.  While a granule's flag is up the owner's own frees there leave the
 * fast path, where they would not see the bit.
 *
 * Between the bit and the flag the owner may collect the bit and close the slab, and another slab
 * may be opened there, which may begin at another granule.  So the freeing thread raises the flag
 * and pushes under the lock of the heap that the tag names, which keeps that slab in place; it then
 * only asks the new owner to look.  A slab whose first granule is flagged is never released.
 *
 * A further granule is flagged before the bit, while p is live and holds the slab.  The owner may
 * take that flag down before the bit is there, so the freeing thread looks again after the bit.
 */
#ifndef SLAB_REMOTE_H
#define SLAB_REMOTE_H

#include "slab/slab.h"

/* p is the start of an object of a slab that the calling thread does not own, with this tag, and
 * was live. Ends the program if another thread freed it meanwhile. If that was the owner, its store
 * of the live bit may become visible later: then the thread that collects the mark, or gives the
 * object out, finds it (slab.h). True: the owner was notified, and slabs may have been closed, so
 * the caller asks purge_check(). */
bool remote_free(const void *p, uint32_t tag);
/* No thread looks into the inbox of a heap without a thread, so the pusher does: after a push and,
 * since a pusher may have found the lock taken, after each release of the lock of a heap that is
 * not the caller's. Neither page_lock nor h's lock is held. */
void remote_settle_for(struct slab_heap *h);

/* The slabs into which other threads freed wait in h->inbox.  Who holds h's lock takes all of them
 * to h->waiting, and from there one at a time; they stay flagged until it looks at them.  While h
 * has no thread, h->waiting is empty.  In a child of fork() both lists may be anything until
 * remote_rebuild(): the fork may have interrupted who was changing them. */
/* The next slab; NULL: none. h's lock is held. The caller looks at it. */
struct slab *remote_next_waiting(struct slab_heap *h);

/* Any thread may ask. */
static inline bool remote_any_waits(const struct slab_heap *h)
{
	return atomic_load(&h->inbox) != 0 || __atomic_load_n(&h->waiting, __ATOMIC_RELAXED) != 0;
}

/* In a child of fork(), before remote_rebuild(). */
static inline void remote_forget_waiting(struct slab_heap *h)
{
	atomic_store(&h->inbox, 0);
	__atomic_store_n(&h->waiting, 0, __ATOMIC_RELAXED);
}

/* In a child of fork(): other threads were pushing while fork copied the inboxes, and threads that
 * are gone had raised a flag and not pushed yet. Rebuild all inboxes from the flags, before the
 * first push and the first look. */
void remote_rebuild(void);
extern struct lock inbox_lock; /* held by it */

/* Close the slabs in h's inbox that have no live object; any thread holds h's lock. */
void remote_release_emptied(struct slab_heap *h);

/* ---- for remote_hit.h ------------------------------------------------------------------------ */

/* Another thread marked p before: end the program.  (It is not _Noreturn, so that the compiler
 * jumps here, and free needs no stack frame.) */
void remote_marked_twice(const void *p, uint32_t tag);
/* p was not live when it was marked: freed twice, if the mark is still there. */
void remote_judge(const void *p, uint32_t tag);
/* This was the first free into the slab, which has one granule, since its owner looked: notify the
 * owner. */
void remote_notify(const void *p, uint32_t tag);

static inline bool remote_is_live(const void *p)
{
	return (atomic_load(live_word_at(p)) >> ((uintptr_t)p >> UNIT_SHIFT) % 64 & 1) != 0;
}

/* True: another thread marked p before. */
static inline bool remote_mark(const void *p)
{
	return (atomic_fetch_or(mark_word(p), bit_of(p)) & bit_of(p)) != 0;
}

#endif
