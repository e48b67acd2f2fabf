/* helper.c - clone(2) by hand. */
#include "os/helper.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"

enum { STACK = 32 << 10, TLS_BELOW = 32 << 10, TLS_ABOVE = 8 << 10 };

/* | stack ... | what __thread variables of the library need | thread pointer | and above it | */
static struct {
	char stack[STACK];
	char below[TLS_BELOW];
	uintptr_t tcb[TLS_ABOVE / sizeof(uintptr_t)];
} block __attribute__((aligned(4096)));

static _Atomic int tid; /* cleared by the kernel when the thread is gone for good */
static int (*task)(void *);

static int begin(void *arg)
{
	prctl(PR_SET_NAME, "dmm-purge");
	return task(arg);
}

/* It may be about to: whoever found it gone to sleep for good would else wait in vain for another. */
static bool last_has_ended(void)
{
	const struct timespec most = {0, 100000000};
	const int last = atomic_load(&tid), saved = errno;

	if (last != 0)
		syscall(SYS_futex, &tid, FUTEX_WAIT, last, &most, NULL, 0);
	errno = saved;
	return atomic_load(&tid) == 0;
}

bool helper_start(int (*run)(void *))
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
	    CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	const int saved = errno;
	const uint64_t all = ~(uint64_t)0;
	uint64_t before;

	if (!last_has_ended())
		return false;
	/* The first words of a thread control block: itself, its vector of modules, itself again; and
	 * the stack protector's canary. */
	memcpy(block.tcb, __builtin_thread_pointer(), 8 * sizeof(uintptr_t));
	block.tcb[0] = block.tcb[2] = (uintptr_t)block.tcb;
	task = run;
	/* sigprocmask(3) would leave two signals of the C library unblocked. */
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all);
	const int r = clone(begin, block.stack + STACK, flags, NULL, &tid, block.tcb, &tid);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
	if (r < 0)
		atomic_store(&tid, 0);
	errno = saved;
	return r > 0;
}

bool helper_running(void)
{
	return atomic_load(&tid) != 0;
}

void helper_forget(void)
{
	atomic_store(&tid, 0);
}

void helper_sleep_ms(unsigned ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
	syscall(SYS_nanosleep, &t, NULL);
}
