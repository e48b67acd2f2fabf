/* atomics.c - how many atomic instructions and system calls a malloc takes, among many threads.
 *
 *   atomics SITES PRELOAD THREADS OPERATIONS PASSED
 *
 * Runs THREADS threads under the library PRELOAD ("-": none), one at a time, and prints one line of
 * counts.  An operation is a malloc of 16 to 1,024 bytes and a free of another object.  Of 16
 * objects that a thread drops, the next thread frees PASSED, and it itself the others.  Each thread
 * has 1,000 live objects.
 *
 * The threads take turns of 16 operations.  So each call is whole before the next thread's begins,
 * no thread meets a lock that another holds, and the counts are those of calls that do not collide,
 * the same in every run.  What they do not have is the time that colliding calls wait; but a word
 * that another thread changed last has to come from that thread's cache, and these are counted.
 *
 * SITES says where atomic instructions are, one a line: FILE OFFSET SEGMENT BASE INDEX SCALE DISP.
 * FILE: a library; OFFSET: from its beginning in memory; SEGMENT: 1 for fs, else 0; BASE and INDEX:
 * numbers of registers as the processor counts them, -1: none, -2: the library's beginning.
 * tools/bench-atomics makes it with objdump.  Each becomes a breakpoint (ptrace), once all threads
 * have warmed up.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"

enum { THREADS_MAX = 256, TURN = 16, LIVE = 1000, WARM = 4000, UNABLE = 77 };

/* The thread's report to the process that traces it, in rax at an int3. */
enum marker { MARK_READY = 0x5eed0001, MARK_TURN, MARK_DONE };

static void die(const char *what)
{
	fprintf(stderr, "atomics: %s: %s\n", what, strerror(errno));
	exit(UNABLE);
}

/* ---- the program ----------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	struct worker *next;
	_Atomic(void *) incoming[TURN]; /* left by the thread before, to be freed by this one */
	void *live[LIVE];
	struct rng dice;
	unsigned operations, passed;
};

static void mark(enum marker what)
{
	__asm__ volatile("int3" : : "a"(what) : "memory");
}

static void *allocate(struct worker *w)
{
	enum { DOUBLINGS = 6 }; /* 16 to 1,024 bytes */
	const size_t least = (size_t)16 << rng_below(&w->dice, DOUBLINGS);
	char *const p = malloc(least + rng_below(&w->dice, least));

	if (p == NULL)
		abort();
	*p = 1;
	return p;
}

static void operate(struct worker *w, unsigned k)
{
	void **const at = &w->live[rng_below(&w->dice, LIVE)];
	void *p = *at;

	free(atomic_exchange(&w->incoming[k % TURN], NULL));
	if (k % TURN < w->passed)
		p = atomic_exchange(&w->next->incoming[k % TURN], p);
	free(p);
	*at = allocate(w);
}

static void *work(void *arg)
{
	struct worker *const w = arg;

	for (unsigned k = 0; k < WARM; k++)
		operate(w, k);
	mark(MARK_READY);
	for (unsigned k = 0; k < w->operations; k++) {
		operate(w, k);
		if (k % TURN == TURN - 1)
			mark(MARK_TURN);
	}
	mark(MARK_DONE);
	return NULL;
}

static int run_threads(unsigned threads, unsigned operations, unsigned passed)
{
	static struct worker worker[THREADS_MAX];

	for (unsigned i = 0; i < threads; i++)
		worker[i] = (struct worker){.next = &worker[(i + 1) % threads], .dice = {i + 1},
		    .operations = operations / threads, .passed = passed};
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&worker[i].thread, NULL, work, &worker[i]) != 0)
			return 1;
	for (unsigned i = 0; i < threads; i++)
		pthread_join(worker[i].thread, NULL);
	return 0;
}

/* ---- breakpoints ----------------------------------------------------------------------------- */

enum { REG_NONE = -1, REG_LIBRARY = -2 };

struct site {
	uintptr_t at;
	int fs, base, index, scale;
	int64_t disp;
	uint8_t was; /* the byte in whose place the breakpoint stands */
};

static struct site *site;
static size_t sites;
static int memory; /* of the traced process */

/* Where the file is mapped from its beginning; 0: it is not. */
static uintptr_t library_start(pid_t pid, const char *file)
{
	char path[64], line[4400], name[4097];
	uintptr_t start, offset, found = 0;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *const f = fopen(path, "re");
	if (f == NULL)
		die(path);
	while (found == 0 && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "%lx-%*x %*s %lx %*s %*s %4096s", &start, &offset, name) == 3 &&
		    offset == 0 && strcmp(name, file) == 0)
			found = start;
	fclose(f);
	return found;
}

static void put_byte(uintptr_t at, uint8_t byte)
{
	if (pwrite(memory, &byte, 1, (off_t)at) != 1)
		die("cannot set a breakpoint");
}

static int by_address(const void *a, const void *b)
{
	const struct site *const x = a, *const y = b;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void add_site(struct site s)
{
	enum { BREAKPOINT = 0xcc };

	site = realloc(site, (sites + 1) * sizeof *site);
	if (site == NULL || pread(memory, &s.was, 1, (off_t)s.at) != 1)
		die("cannot read the program's memory");
	put_byte(s.at, BREAKPOINT);
	site[sites++] = s;
}

static void set_breakpoints(pid_t pid, const char *list)
{
	char line[4400], file[4097], last[4097] = "";
	uintptr_t start = 0, offset;
	struct site s = {0};
	FILE *const f = fopen(list, "re");

	if (f == NULL)
		die(list);
	while (fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%4096s %lx %d %d %d %d %ld", file, &offset, &s.fs, &s.base,
		        &s.index, &s.scale, &s.disp) != 7)
			continue;
		if (strcmp(file, last) != 0)
			start = library_start(pid, strcpy(last, file));
		if (start == 0)
			continue;
		s.at = start + offset;
		if (s.base == REG_LIBRARY)
			s.disp += (int64_t)start;
		add_site(s);
	}
	fclose(f);
	qsort(site, sites, sizeof *site, by_address);
}

static struct site *site_at(uintptr_t at)
{
	const struct site key = {.at = at};
	return sites == 0 ? NULL : bsearch(&key, site, sites, sizeof *site, by_address);
}

/* ---- whose a cache line was ------------------------------------------------------------------ */

enum { LINES = 1 << 20, LINE_SHIFT = 6 };

static struct line {
	uintptr_t number;
	unsigned owner; /* 1 + the thread that changed it last */
} line[LINES];

/* Thread `who` changes a line; true: another thread changed it last. */
static bool take_line(uintptr_t address, unsigned who)
{
	const uintptr_t number = address >> LINE_SHIFT;
	size_t i = (number * 0x9e3779b97f4a7c15u) >> 44;

	while (line[i].owner != 0 && line[i].number != number)
		i = (i + 1) % LINES;
	const bool moved = line[i].owner != 0 && line[i].owner != who + 1;
	line[i] = (struct line){number, who + 1};
	return moved;
}

static uintptr_t reg(const struct user_regs_struct *r, int number)
{
	const unsigned long long value[16] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp,
	    r->rsi, r->rdi, r->r8, r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};
	return number < 0 ? 0 : (uintptr_t)value[number & 15];
}

static uintptr_t operand(const struct site *s, const struct user_regs_struct *r)
{
	return reg(r, s->base) + reg(r, s->index) * (uintptr_t)s->scale + (uintptr_t)s->disp +
	    (s->fs ? (uintptr_t)r->fs_base : 0);
}

/* ---- the tracer ------------------------------------------------------------------------------ */

static struct counts {
	uint64_t atomic, moved, futex, calls;
} counts;

static pid_t worker_of[THREADS_MAX]; /* their thread ids, in the order of their first mark */
static bool done[THREADS_MAX];

static void step_over(pid_t tid, struct site *s, struct user_regs_struct *r)
{
	enum { BREAKPOINT = 0xcc };
	int status;

	r->rip = s->at;
	if (ptrace(PTRACE_SETREGS, tid, NULL, r) != 0)
		die("cannot set registers");
	put_byte(s->at, s->was);
	if (ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL) != 0 ||
	    waitpid(tid, &status, __WALL) != tid)
		die("cannot step");
	put_byte(s->at, BREAKPOINT);
}

static void count_call(const struct user_regs_struct *r)
{
	if (r->orig_rax == SYS_futex)
		counts.futex++;
	else
		counts.calls++;
}

/* Let worker i run until it has made its turn. */
static void take_turn(unsigned i)
{
	const pid_t tid = worker_of[i];
	struct user_regs_struct r;
	bool inside = false; /* a system call */
	int status, signal = 0;

	for (;;) {
		if (ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(intptr_t)signal) != 0 ||
		    waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
			die("a thread ended");
		signal = 0;
		if (ptrace(PTRACE_GETREGS, tid, NULL, &r) != 0)
			die("cannot read registers");
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			inside = !inside;
			if (inside)
				count_call(&r);
			continue;
		}
		if (WSTOPSIG(status) != SIGTRAP || status >> 16 != 0) {
			signal = status >> 16 != 0 ? 0 : WSTOPSIG(status);
			continue;
		}
		struct site *const s = site_at((uintptr_t)r.rip - 1);
		if (s == NULL) {
			done[i] = r.rax == MARK_DONE;
			return;
		}
		counts.atomic++;
		counts.moved += take_line(operand(s, &r), i);
		step_over(tid, s, &r);
	}
}

/* Let all run until each worker has warmed up, and stays. */
static void gather(unsigned threads)
{
	struct user_regs_struct r;
	unsigned ready = 0;
	int status;

	while (ready < threads) {
		const pid_t tid = waitpid(-1, &status, __WALL);
		if (tid < 0 || !WIFSTOPPED(status))
			die("the program ended early");
		if (WSTOPSIG(status) == SIGTRAP && status >> 16 == 0 &&
		    ptrace(PTRACE_GETREGS, tid, NULL, &r) == 0 && r.rax == MARK_READY) {
			worker_of[ready++] = tid;
			continue;
		}
		const bool ours = WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP;
		ptrace(PTRACE_CONT, tid, NULL, (void *)(intptr_t)(ours ? 0 : WSTOPSIG(status)));
	}
}

static pid_t start(char **argv)
{
	int status;
	const pid_t pid = fork();

	if (pid == 0) {
		personality(ADDR_NO_RANDOMIZE);
		if (strcmp(argv[2], "-") != 0)
			setenv("LD_PRELOAD", argv[2], 1);
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl("/proc/self/exe", "atomics", "--run", argv[3], argv[4], argv[5],
		    (char *)NULL);
		_exit(UNABLE);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		die("cannot start");
	if (ptrace(PTRACE_SETOPTIONS, pid, NULL,
	        PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0 ||
	    ptrace(PTRACE_CONT, pid, NULL, NULL) != 0)
		die("cannot trace");
	return pid;
}

int main(int argc, char **argv)
{
	const bool run = argc == 5 && strcmp(argv[1], "--run") == 0;
	char path[64];

	if (!run && argc != 6) {
		fputs("usage: atomics SITES PRELOAD THREADS OPERATIONS PASSED\n", stderr);
		return 2;
	}
	const unsigned threads = (unsigned)strtoul(argv[argc - 3], NULL, 10),
	    operations = (unsigned)strtoul(argv[argc - 2], NULL, 10),
	    passed = (unsigned)strtoul(argv[argc - 1], NULL, 10);
	if (threads == 0 || threads > THREADS_MAX || operations / TURN < threads || passed > TURN) {
		fputs("atomics: 1 to 256 threads, 16 operations each, 0 to 16 passed\n", stderr);
		return 2;
	}
	if (run)
		return run_threads(threads, operations, passed);
	const pid_t pid = start(argv);
	gather(threads);
	snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
	if ((memory = open(path, O_RDWR | O_CLOEXEC)) < 0)
		die(path);
	set_breakpoints(pid, argv[1]);
	for (bool more = true; more;) {
		more = false;
		for (unsigned i = 0; i < threads; i++)
			if (!done[i]) {
				take_turn(i);
				more = true;
			}
	}
	printf("operations %u atomic %lu moved %lu futex %lu calls %lu sites %zu\n",
	    operations / threads * threads, counts.atomic, counts.moved, counts.futex, counts.calls,
	    sites);
	kill(pid, SIGKILL);
	return 0;
}
