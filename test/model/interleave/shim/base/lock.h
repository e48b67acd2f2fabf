/* lock.h - stands before src/base/lock.h: who waits for a lock is not runnable (scheduler.h). */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/config.h"

struct lock {
	unsigned state; /* 0: free; else 1 + sched_self() of its owner */
};

unsigned sched_self(void);
void sched_point(const volatile void *at, bool changes);
void sched_before(const volatile void *at);
void sched_note(const volatile void *at, bool changes);
void sched_wait(const struct lock *l); /* until it is free */

static inline bool lock_try(struct lock *l)
{
	sched_point(l, true);
	const bool got = l->state == 0;
	if (got)
		l->state = 1 + sched_self();
	return got;
}

static inline void lock_take(struct lock *l)
{
	sched_before(l);
	if (l->state != 0)
		sched_wait(l);
	sched_note(l, true); /* a thread that only waits has done nothing yet */
	l->state = 1 + sched_self();
}

static inline void lock_give(struct lock *l)
{
	sched_point(l, true);
	l->state = 0;
}

static inline bool lock_is_held(const struct lock *l)
{
	return l->state != 0;
}

static inline bool lock_held(const struct lock *l)
{
	return l->state == 1 + sched_self();
}

static inline uintptr_t lock_self(void)
{
	return (uintptr_t)__builtin_thread_pointer();
}

/* By a thread that sleeps until it is given: only the moment matters. */
static inline bool lock_is_wanted(struct lock *l)
{
	(void)l;
	return false;
}

static inline void lock_reset(struct lock *l)
{
	l->state = 0;
}

/* Nobody forks here. */
static inline void lock_fork_take(struct lock *l)
{
	lock_take(l);
}

static inline void lock_fork_give(struct lock *l)
{
	lock_give(l);
}

static inline void lock_fork_child(struct lock *l)
{
	lock_reset(l);
}

#endif
