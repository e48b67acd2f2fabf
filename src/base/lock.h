/* lock.h - a mutex on futex(2) that records its owner: zero is unlocked, nothing to initialise, no
 * allocation.
 *
 *   word   0: free; else the owner's thread pointer, with LOCK_WAITED set while a thread may sleep
 *   again  how many fork handlers run inside the owner's critical section
 *
 * It is the three-state mutex of U. Drepper, "Futexes Are Tricky" (2005), with the owner in place
 * of his state 1.  futex(2) compares the lower half of the word, which holds LOCK_WAITED: a sleeper
 * that misses a change of owner sleeps on, and the new owner wakes it.
 *
 * fork() in a signal handler may come while the interrupted code holds locks.  The fork handlers
 * therefore use lock_fork_take(), lock_fork_give() and lock_fork_child(): a lock that the calling
 * thread holds already stays with the interrupted code, which goes on in the parent and in the
 * child.  The handlers take locks in order, but the interrupted code may hold a later one: so each
 * thread that sleeps notes for which lock (lock.c).
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/config.h"

#define LOCK_WAITED ((uintptr_t)1)

struct lock {
	_Atomic uintptr_t word;
	unsigned again; /* written by the owner alone */
};

void lock_slow(struct lock *l);
void lock_fork_slow(struct lock *l);
/* In a child of fork(), before all else: no thread sleeps there. */
void lock_fork_forget(void);
void unlock_slow(struct lock *l);

/* Distinct for all threads that run, and the same in a child of fork(). */
static inline uintptr_t lock_self(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

static inline bool lock_try(struct lock *l)
{
	uintptr_t zero = 0;
	return atomic_compare_exchange_strong_explicit(
	    &l->word, &zero, lock_self(), memory_order_acquire, memory_order_relaxed);
}

static inline void lock_take(struct lock *l)
{
	if (unlikely(!lock_try(l)))
		lock_slow(l);
}

static inline void lock_give(struct lock *l)
{
	if (unlikely((atomic_exchange_explicit(&l->word, 0, memory_order_release) & LOCK_WAITED) !=
	    0))
		unlock_slow(l);
}

/* Does the calling thread hold it? */
static inline bool lock_held(const struct lock *l)
{
	return (atomic_load_explicit(&l->word, memory_order_relaxed) & ~LOCK_WAITED) == lock_self();
}

/* Does any thread hold it? */
static inline bool lock_is_held(const struct lock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) != 0;
}

/* Does a thread sleep until it is given?  The caller holds it. */
static inline bool lock_is_wanted(const struct lock *l)
{
	return (atomic_load_explicit(&l->word, memory_order_relaxed) & LOCK_WAITED) != 0;
}

/* Unlock it for any owner: in a child of fork() the owner does not exist. */
static inline void lock_reset(struct lock *l)
{
	l->again = 0;
	atomic_store_explicit(&l->word, 0, memory_order_relaxed);
}

/* Before a fork, by the thread that forks.  Leaves a lock to its owner if that owner sleeps,
 * directly or through other owners, on a lock that the interrupted code holds: neither could go
 * on.  An owner sleeps only where its structures are consistent; the child loses its unfinished
 * work. */
static inline void lock_fork_take(struct lock *l)
{
	if (lock_held(l))
		l->again++;
	else if (!lock_try(l))
		lock_fork_slow(l);
}

/* After it, in the parent. */
static inline void lock_fork_give(struct lock *l)
{
	if (!lock_held(l))
		return; /* left to its owner */
	if (l->again > 0)
		l->again--;
	else
		lock_give(l);
}

/* After the fork, in the child: no thread sleeps; locks that the interrupted code holds stay
 * held. */
static inline void lock_fork_child(struct lock *l)
{
	if (lock_held(l) && l->again > 0)
		l->again--;
	else
		lock_reset(l);
}

#endif
