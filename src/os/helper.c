/* helper.c - see helper.h. */
#include "os/helper.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/futex.h"
#include "os/frame_rules.h"

enum {
	/* in addition to the thread-local storage; its untouched pages cost nothing */
	STACK = 256 << 10,
	STACK_MOST = 1 << 30,
	CPU_BYTES = 1024,  /* a bit for a CPU: 8,192 of them */
};

enum { NONE = 0, STARTING = -1 };
static _Atomic int tid;  /* of the helper, NONE or STARTING */
static _Atomic int last; /* of one that has ended; 0: it is known to be gone */
static _Atomic int must_end;
static void (*task)(void);

/* The process's CPUs and storage at its start. */
static unsigned char cpus[CPU_BYTES];
static long cpu_bytes; /* <= 0: not known */
static size_t tls_bytes;

static int add_tls(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t *const sum = arg;
	(void)size;

	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*sum += info->dlpi_phdr[i].p_memsz + info->dlpi_phdr[i].p_align;
	return 0;
}

void helper_note_process(void)
{
	const int saved = errno;

	cpu_bytes = syscall(SYS_sched_getaffinity, 0, sizeof cpus, cpus);
	tls_bytes = 0;
	dl_iterate_phdr(add_tls, &tls_bytes);
	errno = saved;
}

static bool within(const struct module *m, uintptr_t at)
{
	return at >= m->start && at < m->end;
}

bool helper_may_start_from(const void *caller)
{
	struct module m;

	return caller != NULL && module_of((uintptr_t)caller, &m) &&
	       !within(&m, (uintptr_t)pthread_create) && !within(&m, (uintptr_t)dl_iterate_phdr) &&
	       !within(&m, getauxval(AT_BASE));
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void futex(_Atomic int *at, int op, int value, const struct timespec *most)
{
	syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, value, most, NULL, 0);
}

static bool unbind; /* the creator is bound: written before the thread begins */

static void *begin(void *arg)
{
	if (unbind) /* If it fails, those CPUs may be gone by now: the thread stays bound. */
		syscall(SYS_sched_setaffinity, 0, cpu_bytes, cpus);
	atomic_store(&tid, (int)syscall(SYS_gettid));
	futex(&tid, FUTEX_WAKE, INT32_MAX, NULL);
	pthread_setname_np(pthread_self(), "dmm-purge");
	task();
	atomic_store(&last, atomic_load(&tid));
	atomic_store(&tid, NONE);
	futex(&tid, FUTEX_WAKE, INT32_MAX, NULL);
	return arg;
}

/* Of a thread that is bound to fewer CPUs than the process had. */
static bool is_bound(void)
{
	unsigned char now[CPU_BYTES];
	const long n = syscall(SYS_sched_getaffinity, 0, sizeof now, now);

	return cpu_bytes > 0 && n == cpu_bytes && memcmp(now, cpus, (size_t)n) != 0;
}

/* Sets the normal policy only if the creator has another, since seccomp filters often forbid the
 * call. */
static void choose_policy(pthread_attr_t *attr)
{
	const long policy = syscall(SYS_sched_getscheduler, 0) & ~SCHED_RESET_ON_FORK;
	const struct sched_param lowest = {0};

	if (policy != SCHED_FIFO && policy != SCHED_RR)
		return;
	pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(attr, SCHED_OTHER);
	pthread_attr_setschedparam(attr, &lowest);
}

/* The C library puts thread-local storage on the stack, and returns EINVAL if the rest is too
 * small. */
static int create(pthread_attr_t *attr)
{
	pthread_t thread;
	int error = EINVAL;

	for (size_t stack = STACK + tls_bytes; error == EINVAL && stack <= STACK_MOST; stack *= 2)
		if (pthread_attr_setstacksize(attr, stack / 4096 * 4096) == 0)
			error = pthread_create(&thread, attr, begin, NULL);
	return error;
}

static bool create_detached(void)
{
	pthread_attr_t attr;
	int error = pthread_attr_init(&attr);

	if (error != 0)
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	choose_policy(&attr);
	error = create(&attr);
	pthread_attr_destroy(&attr);
	return error == 0;
}

static bool create_blocked(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	unbind = is_bound();
	const bool ok = create_detached();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ok;
}

bool helper_start(void (*run)(void))
{
	int none = NONE;
	const int saved = errno;

	if (!atomic_compare_exchange_strong(&tid, &none, STARTING))
		return false;
	task = run;
	atomic_store(&must_end, 0);
	const bool ok = create_blocked();
	if (!ok)
		atomic_store(&tid, NONE);
	errno = saved;
	return ok;
}

bool helper_running(void)
{
	return atomic_load(&tid) != NONE;
}

/* It has said its last, and its task may still be there for some microseconds. */
static bool is_gone(int id)
{
	return id == 0 || (syscall(SYS_tgkill, getpid(), id, 0) != 0 && errno == ESRCH);
}

void helper_stop(void)
{
	enum { LOOKS = 1000 };
	const struct timespec slice = {0, 100000};
	const int saved = errno;
	int id;

	atomic_store(&must_end, 1);
	futex(&must_end, FUTEX_WAKE, INT32_MAX, NULL);
	for (int looks = 0; (id = atomic_load(&tid)) != NONE && looks < LOOKS; looks++)
		futex(&tid, FUTEX_WAIT, id, &slice);
	id = atomic_load(&last);
	for (int looks = 0; !is_gone(id) && looks < LOOKS; looks++)
		syscall(SYS_nanosleep, &slice, NULL);
	atomic_compare_exchange_strong(&last, &id, 0);
	errno = saved;
}

void helper_forget(void)
{
	atomic_store(&tid, NONE);
	atomic_store(&last, 0);
	atomic_store(&must_end, 0);
}

bool helper_must_end(void)
{
	return atomic_load(&must_end) != 0;
}

void helper_pause_ms(unsigned ms)
{
	static _Atomic int never;
	const struct timespec most = {ms / 1000, ms % 1000 * 1000000L};
	const int saved = errno;

	futex(&never, FUTEX_WAIT, 0, &most);
	errno = saved;
}

bool helper_sleep_ms(unsigned ms)
{
	const struct timespec most = {ms / 1000, ms % 1000 * 1000000L};

	futex(&must_end, FUTEX_WAIT, 0, &most); /* returns at once where it is 1 already */
	return !helper_must_end();
}
