/* lock.c - the slow paths of lock.h: spin a little, then sleep in the kernel. */
#include "base/lock.h"

#include "base/bits.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 100 };

static void futex(struct lock *l, int op, unsigned value)
{
	const int saved = errno;
	syscall(SYS_futex, &l->state, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
	errno = saved;
}

void lock_slow(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		if (atomic_load_explicit(&l->state, memory_order_relaxed) == 0 && lock_try(l))
			return;
		cpu_relax();
	}
	while (atomic_exchange_explicit(&l->state, 2, memory_order_acquire) != 0)
		futex(l, FUTEX_WAIT, 2);
}

void unlock_slow(struct lock *l)
{
	futex(l, FUTEX_WAKE, 1);
}
