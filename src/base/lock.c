/* lock.c - the slow paths of lock.h: spin a little, then sleep in the kernel. */
#include "base/lock.h"

#include "base/bits.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
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

void lock_slow(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		if (!lock_is_held(l) && lock_try(l))
			return;
		cpu_relax();
	}
	while (!take_or_sleep(l))
		continue;
}

void unlock_slow(struct lock *l)
{
	futex(l, FUTEX_WAKE, 1);
}
