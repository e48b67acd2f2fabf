/* lock.c - the slow paths of lock.h: spin a little, then sleep in the kernel. */
#include "base/lock.h"

#include "base/bits.h"
#include "base/futex.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SPINS = 100 };

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half of the word comes first");

static void futex(struct lock *l, int op, uint32_t value)
{
	const int saved = errno;
	syscall(SYS_futex, &l->word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
	errno = saved;
}

/* Take a free lock, and leave LOCK_WAITED set, since other threads may sleep.  Sleep while it is
 * held. */
static bool take_or_sleep(struct lock *l)
{
	uintptr_t now = atomic_load_explicit(&l->word, memory_order_relaxed);

	if (now == 0)
		return atomic_compare_exchange_strong_explicit(&l->word, &now,
		    lock_self() | LOCK_WAITED,
		    memory_order_acquire, memory_order_relaxed);
	if ((now & LOCK_WAITED) != 0 ||
	    atomic_compare_exchange_strong_explicit(
	        &l->word, &now, now | LOCK_WAITED, memory_order_relaxed, memory_order_relaxed))
		futex(l, FUTEX_WAIT, (uint32_t)(now | LOCK_WAITED));
	return false;
}

/* ---- which thread sleeps for which lock ---------------------------------------------------- */

enum { SLEEPERS = 64, CHAIN = 16, LOOK_US = 50 };

static struct {
	_Atomic uintptr_t thread; /* lock_self(); 0: free */
	struct lock *_Atomic lock; /* NULL: it does not sleep yet, or not any more */
} sleepers[SLEEPERS];
static _Atomic unsigned noted; /* of them, so that a child need not look at all */

static size_t slot_of(uintptr_t thread)
{
	return (thread >> 6) * 0x9e3779b97f4a7c15u >> 58; /* spread by the golden ratio */
}

/* False: another thread has the slot; then no thread can see which lock this one waits for. */
static bool note(struct lock *l)
{
	const size_t slot = slot_of(lock_self());
	uintptr_t none = 0;

	if (!atomic_compare_exchange_strong(&sleepers[slot].thread, &none, lock_self()))
		return false;
	atomic_fetch_add(&noted, 1);
	atomic_store(&sleepers[slot].lock, l);
	return true;
}

static void forget(void)
{
	const size_t slot = slot_of(lock_self());

	if (atomic_load(&sleepers[slot].thread) != lock_self())
		return; /* a signal handler forked, and this is the child */
	atomic_store(&sleepers[slot].lock, NULL);
	atomic_store(&sleepers[slot].thread, 0);
	atomic_fetch_sub(&noted, 1);
}

void lock_fork_forget(void)
{
	if (atomic_load(&noted) == 0)
		return;
	for (size_t i = 0; i < SLEEPERS; i++) {
		atomic_store(&sleepers[i].lock, NULL);
		atomic_store(&sleepers[i].thread, 0);
	}
	atomic_store(&noted, 0);
}

static struct lock *awaited_by(uintptr_t thread)
{
	const size_t slot = slot_of(thread);

	if (thread == 0 || atomic_load(&sleepers[slot].thread) != thread)
		return NULL;
	struct lock *const l = atomic_load(&sleepers[slot].lock);
	return atomic_load(&sleepers[slot].thread) == thread ? l : NULL;
}

/* Does l wait, through its owner and the owners of what these sleep for, for the calling thread? */
static bool waits_for_us(const struct lock *l)
{
	for (int i = 0; i < CHAIN && l != NULL; i++) {
		const uintptr_t owner = atomic_load(&l->word) & ~LOCK_WAITED;
		if (owner == lock_self())
			return true;
		l = awaited_by(owner);
	}
	return false;
}

void lock_slow(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		if (!lock_is_held(l) && lock_try(l))
			return;
		cpu_relax();
	}
	const bool told = note(l);
	while (!take_or_sleep(l))
		continue;
	if (told)
		forget();
}

/* Without a note: the interrupted code may itself be about to sleep, and be noted. */
void lock_fork_slow(struct lock *l)
{
	const struct timespec look = {0, LOOK_US * 1000};
	const int saved = errno;

	while (!lock_try(l)) {
		if (waits_for_us(l))
			break;
		syscall(SYS_nanosleep, &look, NULL);
	}
	errno = saved;
}

void unlock_slow(struct lock *l)
{
	futex(l, FUTEX_WAKE, 1);
}
