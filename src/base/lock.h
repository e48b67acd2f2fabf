/* lock.h - a mutex of four bytes on futex(2): zero is unlocked, nothing to initialise, no allocation.
 *
 * The three-state mutex of U. Drepper, "Futexes Are Tricky" (2005): 0 free, 1 held, 2 held and
 * somebody may sleep.  A child after fork() may call lock_reset(): its other threads are gone.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/config.h"

struct lock {
	_Atomic unsigned state;
};

void lock_slow(struct lock *l);
void unlock_slow(struct lock *l);

static inline bool lock_try(struct lock *l)
{
	unsigned zero = 0;
	return atomic_compare_exchange_strong_explicit(
	    &l->state, &zero, 1, memory_order_acquire, memory_order_relaxed);
}

static inline void lock_take(struct lock *l)
{
	if (unlikely(!lock_try(l)))
		lock_slow(l);
}

static inline void lock_give(struct lock *l)
{
	if (unlikely(atomic_exchange_explicit(&l->state, 0, memory_order_release) == 2))
		unlock_slow(l);
}

/* By somebody; by us, if nobody else could. */
static inline bool lock_is_held(struct lock *l)
{
	return atomic_load_explicit(&l->state, memory_order_relaxed) != 0;
}

static inline void lock_reset(struct lock *l)
{
	atomic_store_explicit(&l->state, 0, memory_order_relaxed);
}

#endif
