/* refuse.c - run a program whose n-th request to the kernel for memory is refused: from outside, by
 * seccomp, so that nothing in the program or its malloc knows.
 *
 *      refuse [--nth=N | --from=N] [--by=WORD,...] [--seconds=S] [--report=FILE] -- PROGRAM ARG...
 *
 *      refuse ---ptrace---> PROGRAM ---seccomp---> kernel
 *                 ^            brk, mmap (anonymous), munmap, mremap, mprotect, madvise stop here
 *                 |
 *      counts them; refuses by turning the call into none with -ENOMEM in the result register,
 *      brk into brk(0), which returns the old break as the kernel does when it refuses
 *
 * --by: count only calls made by code in files whose name holds a WORD (the return address lies
 * within the first words of the stack).  Children and threads count as well.
 * FILE gets one line: "calls C refused R exit E signal S hung H null N deep D waits W".  N = 1 if a
 * signal was a read or write through a null pointer by code that --by does not name: a program that
 * did not look.  D = 1 if it was for want of stack: a program that calls itself without an end.  W
 * = 1 if the program that hung waited for a lock that such code does not hold.  With --nth, calls
 * after the N-th are not counted.  Exit: the program's; 128 + its signal; 124 it was killed after S
 * seconds; 2 usage; 127 it did not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_WORDS = 12, LOCK_WORDS = 4, RANGES = 4, STACK_LEN = 1 << 20 };

struct range {
	uint64_t from, to;
};

static struct {
	unsigned long nth, from;
	const char *by, *report;
	unsigned seconds;
	unsigned long calls, refused;
	pid_t first;
	volatile sig_atomic_t late;
	bool null; /* the last SIGSEGV was a null pointer of other code */
	bool deep, waits;
	pid_t known_pid;
	/* code of named files in that process, found before: no need to look again */
	struct range known[RANGES];
	size_t found;
} r = {.seconds = 60};

/* ---- the program's side */

#define STOP(number)                                              \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),      \
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE)

static void filter(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    STOP(SYS_brk), STOP(SYS_mmap), STOP(SYS_munmap), STOP(SYS_mremap), STOP(SYS_mprotect),
	    STOP(SYS_madvise),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof code / sizeof *code, code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("refuse: seccomp");
		_exit(127);
	}
}

static _Noreturn void become(char **argv)
{
	const struct rlimit stack = {STACK_LEN, STACK_LEN};

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	setrlimit(RLIMIT_STACK, &stack); /* endless recursion is reported soon */
	raise(SIGSTOP);
	filter();
	execvp(argv[0], argv);
	fprintf(stderr, "refuse: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* ---- whose call is it? */

static bool named(const char *path)
{
	char words[256];

	snprintf(words, sizeof words, "%s", r.by);
	for (char *save, *word = strtok_r(words, ",", &save); word != NULL;
	    word = strtok_r(NULL, ",", &save))
		if (strstr(path, word) != NULL)
			return true;
	return false;
}

static bool any_within(struct range range, const uint64_t *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words[i] >= range.from && words[i] < range.to)
			return true;
	return false;
}

static bool any_in_known_code(pid_t pid, const uint64_t *words, size_t count)
{
	for (size_t i = 0; pid == r.known_pid && i < RANGES; i++)
		if (any_within(r.known[i], words, count))
			return true;
	return false;
}

static void know(pid_t pid, struct range range)
{
	if (pid != r.known_pid)
		memset(r.known, 0, sizeof r.known);
	r.known_pid = pid;
	r.known[r.found++ % RANGES] = range;
}

/* Does one of the words lie in code of a file that --by names? */
static bool any_in_named_code(pid_t pid, const uint64_t *words, size_t count)
{
	char path[64], line[512];
	bool found = any_in_known_code(pid, words, count);

	if (found)
		return true;
	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	FILE *const f = fopen(path, "re");
	while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
		struct range range;
		char mode[8];
		int at = 0;
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &range.from, &range.to, mode,
		    &at) < 3 ||
		    mode[2] != 'x')
			continue;
		found = any_within(range, words, count) && named(line + at);
		if (found)
			know(pid, range);
	}
	if (f != NULL)
		fclose(f);
	return found;
}

static bool counts(pid_t pid, const struct user_regs_struct *regs)
{
	uint64_t stack[STACK_WORDS];

	if (regs->orig_rax == SYS_mmap && !(regs->r10 & MAP_ANONYMOUS))
		return false;
	if (regs->orig_rax == SYS_brk && regs->rdi == 0) /* a question */
		return false;
	if (r.by == NULL)
		return true;
	const struct iovec local = {stack, sizeof stack},
	    remote = {(void *)regs->rsp, sizeof stack};
	const ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);
	return got > 0 && any_in_named_code(pid, stack, (size_t)got / 8);
}

/* Ask for the break instead of moving it; afterwards the argument is in its register again, since
 * the caller relies on what the kernel never changes. */
static void ask_for_break(pid_t pid, struct user_regs_struct regs)
{
	const unsigned long to = regs.rdi;
	int status;

	regs.rdi = 0;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	ptrace(PTRACE_SYSCALL, pid, NULL, 0);
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0)
		return;
	regs.rdi = to;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

static void at_call(pid_t pid)
{
	struct user_regs_struct regs;

	if (r.nth != 0 && r.refused != 0) /* it is over: let all else pass */
		return;
	if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0 || !counts(pid, &regs))
		return;
	r.calls++;
	if (r.calls != r.nth && (r.from == 0 || r.calls < r.from))
		return;
	r.refused++;
	if (regs.orig_rax == SYS_brk) {
		ask_for_break(pid, regs);
		return;
	}
	regs.orig_rax = (unsigned long)-1; /* no call; rax is the result */
	regs.rax = (unsigned long)-ENOMEM;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
}

/* ---- the loop */

static void on_alarm(int signal)
{
	(void)signal;
	r.late = 1;
}

/* Is it asleep for a lock, and not in code that --by names?  Who asked is the caller of
 * syscall(), or of libc's. */
static bool waits_elsewhere(pid_t pid)
{
	uint64_t stack[LOCK_WORDS], sp;
	char path[64];
	unsigned long number;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	FILE *const f = fopen(path, "re");
	const bool read = f != NULL && fscanf(f, "%lu %*s %*s %*s %*s %*s %*s %lx", &number,
	    &sp) == 2;
	if (f != NULL)
		fclose(f);
	const struct iovec local = {stack, sizeof stack}, remote = {(void *)sp, sizeof stack};
	return read && number == SYS_futex && r.by != NULL &&
	    process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof stack &&
	    !any_in_named_code(pid, stack, LOCK_WORDS);
}

static void end_it(void)
{
	r.waits = r.waits || waits_elsewhere(r.first);
	kill(r.first, SIGKILL);
}

/* Whose mistake is this SIGSEGV? */
static void at_fault(pid_t pid)
{
	struct user_regs_struct regs;
	siginfo_t why;

	if (ptrace(PTRACE_GETSIGINFO, pid, NULL, &why) != 0 ||
	    ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0)
		return;
	const uint64_t at = regs.rip;
	r.null = (uintptr_t)why.si_addr < 65536 && r.by != NULL && !any_in_named_code(pid, &at, 1);
	r.deep = (uintptr_t)why.si_addr - (regs.rsp - 65536) < 2 * 65536;
}

/* One stop of one thread; the signal to deliver when it goes on. */
static int stopped(pid_t pid, int status)
{
	const int event = status >> 16;

	if (event == PTRACE_EVENT_SECCOMP)
		at_call(pid);
	if (event == PTRACE_EVENT_EXEC)
		r.known_pid = 0; /* other files, at other addresses */
	if (event == 0 && WSTOPSIG(status) == SIGSEGV)
		at_fault(pid);
	if (event != 0 || WSTOPSIG(status) == SIGTRAP)
		return 0;
	return WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
}

/* Until the first process has ended; its status. */
static int follow(void)
{
	int status, last = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (r.late)
			end_it();
		if (pid <= 0)
			continue;
		if (WIFSTOPPED(status))
			ptrace(PTRACE_CONT, pid, NULL, stopped(pid, status));
		else if (pid == r.first)
			last = status;
	}
	return last;
}

static void tell(int status)
{
	FILE *const f = r.report != NULL ? fopen(r.report, "we") : NULL;

	if (f == NULL)
		return;
	fprintf(f, "calls %lu refused %lu exit %d signal %d hung %d null %d deep %d waits %d\n",
	    r.calls, r.refused,
	    WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    r.late, r.null, r.deep, r.waits);
	fclose(f);
}

static char **parse(int argc, char **argv)
{
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		const char *const value = strchr(argv[i], '=') != NULL ? strchr(argv[i], '=') + 1
		    : "";
		if (strncmp(argv[i], "--nth=", 6) == 0)
			r.nth = strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "--from=", 7) == 0)
			r.from = strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "--by=", 5) == 0)
			r.by = value;
		else if (strncmp(argv[i], "--seconds=", 10) == 0)
			r.seconds = (unsigned)strtoul(value, NULL, 10);
		else if (strncmp(argv[i], "--report=", 9) == 0)
			r.report = value;
		else
			i = argc;
	}
	if (i + 1 < argc)
		return argv + i + 1;
	fprintf(stderr, "usage: refuse [--nth=N | --from=N] [--by=WORD,...] [--seconds=S] "
		"[--report=FILE] -- PROGRAM ARG...\n");
	exit(2);
}

int main(int argc, char **argv)
{
	char **const program = parse(argc, argv);
	int status;

	r.first = fork();
	if (r.first == 0)
		become(program);
	if (r.first < 0 || waitpid(r.first, &status, 0) != r.first || !WIFSTOPPED(status)) {
		perror("refuse: cannot trace");
		return 127;
	}
	ptrace(PTRACE_SETOPTIONS, r.first, NULL, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE |
	    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
	/* Again and again, and without SA_RESTART: the first may come just before waitpid. */
	sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){{1, 0}, {r.seconds, 0}}, NULL);
	ptrace(PTRACE_CONT, r.first, NULL, 0);
	status = follow();
	tell(status);
	if (r.late)
		return 124;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
