/* cell.c - a measurement in a process of its own: bounded in time, or counted by single steps. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "bench/bench.h"

static const size_t RESULT_MAX = 4096;

/* False: it still ran after that time, and was killed. */
static bool wait_until(pid_t pid, int alive, double timeout_s, int *status)
{
	/* the pipe closes when the child ends */
	struct pollfd done = {.fd = alive, .events = POLLIN};
	const bool in_time = poll(&done, 1, (int)(timeout_s * 1000)) > 0;

	if (!in_time)
		kill(pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		continue;
	return in_time;
}

enum cell_status cell_run(void (*work)(void *arg, void *result), void *arg, void *result,
    size_t len,
    double timeout_s)
{
	int alive[2], status = 0;
	void *const shared =
	    mmap(NULL, RESULT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(len <= RESULT_MAX);
	fflush(stdout);
	if (shared == MAP_FAILED || pipe(alive) != 0)
		lab_die(EXIT_OURS, "cannot prepare a measurement: %s", strerror(errno));
	const pid_t pid = fork();
	if (pid < 0)
		lab_die(EXIT_OURS, "cannot fork: %s", strerror(errno));
	if (pid == 0) {
		close(alive[0]);
		work(arg, shared);
		_exit(EXIT_FINE);
	}
	close(alive[1]);
	const bool in_time = wait_until(pid, alive[0], timeout_s, &status);
	close(alive[0]);
	memcpy(result, shared, len);
	munmap(shared, RESULT_MAX);
	if (!in_time)
		return CELL_TIMEOUT;
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FINE ? CELL_FINE : CELL_CRASHED;
}

/* ---- single steps ---------------------------------------------------------------------------- */

static void be_stepped(void (*prepare)(void *), void (*run)(void *), void *arg)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
		_exit(EXIT_OURS);
	prepare(arg);
	raise(SIGSTOP); /* from here ... */
	run(arg);
	raise(SIGSTOP); /* ... to here */
	_exit(EXIT_FINE);
}

/* Steps until the child stops for another reason than a step; -1 if it ended. */
static double count_steps(pid_t pid)
{
	double steps = 0;
	int status;

	for (;; steps++) {
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) != 0 || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return -1;
		if (WSTOPSIG(status) != SIGTRAP)
			return steps;
	}
}

static double stepped(void (*prepare)(void *), void (*run)(void *), void *arg)
{
	int status;

	fflush(stdout);
	const pid_t pid = fork();
	if (pid < 0)
		return -1;
	if (pid == 0)
		be_stepped(prepare, run, arg);
	double steps = -1;
	if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP)
		steps = count_steps(pid);
	else if (!WIFSTOPPED(status))
		return -1; /* it ended by itself, and is waited for */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return steps;
}

static void nothing(void *arg)
{
	(void)arg;
}

double cell_instructions(void (*prepare)(void *), void (*run)(void *), void *arg)
{
	static double empty = NAN; /* what the two stops themselves cost */

	if (isnan(empty))
		empty = stepped(nothing, nothing, NULL);
	const double steps = empty >= 0 ? stepped(prepare, run, arg) : -1;
	return steps < 0 ? -1 : steps - empty;
}

/* ---- heaps ----------------------------------------------------------------------------------- */

static void open_on(struct bench_heap *b, const struct dmm_system *sys,
    const struct dmm_params *params, const struct dmm_os *below)
{
	os_fault_open(&b->os, below);
	b->sys = sys;
	const int r = heap_open(&b->heap, sys, params, &b->os.os);
	if (r != 0)
		lab_die(EXIT_OURS, "cannot open a heap of %s: %s", sys->name, strerror(-r));
}

void bench_heap_open(struct bench_heap *b, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	const size_t len = (size_t)16 << 30;
	const int r = os_arena_open(&b->arena, 1, len, len);

	if (r != 0)
		lab_die(EXIT_OURS, "cannot reserve an arena: %s", strerror(-r));
	open_on(b, sys, params, &b->arena.os);
}

void bench_heap_open_linux(struct bench_heap *b, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	b->arena = (struct os_arena){0};
	open_on(b, sys, params, &os_linux);
}

void bench_heap_close(struct bench_heap *b)
{
	heap_close(&b->heap);
	if (b->arena.base != NULL)
		os_arena_close(&b->arena);
}

void *bench_alloc(struct bench_heap *b, size_t n)
{
	void *const p = b->sys->alloc(b->heap.state, n, DMM_ALIGN_MIN);
	CHECK(p != NULL);
	return p;
}

void bench_free(struct bench_heap *b, void *p)
{
	b->sys->free(b->heap.state, p);
}

double bench_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}
