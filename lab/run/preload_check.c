/* preload_check.c - is the allocator really in the program? */
#include "run/preload_check.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "process/linked.h"
#include "process/tree.h"

enum { STEP_NS = 100000, STEPS = 100000, NAME_LEN = 64 }; /* at most 10 s */

static const unsigned long breakpoint_mask = (1ul << (8 * CPU_BREAKPOINT_LEN)) - 1;

static void conclude(struct proof *proof, enum verdict verdict, bool whole, const char *format, ...)
{
	va_list args;

	proof->verdict = verdict;
	proof->whole_program = whole;
	va_start(args, format);
	vsnprintf(proof->why, sizeof proof->why, format, args);
	va_end(args);
}

/* The loader's words on stderr, its first line that speaks of a fault. */
static void read_complaint(int fd, char line[PROOF_WHY_LEN])
{
	char buf[1024];
	const ssize_t n = pread(fd, buf, sizeof buf - 1, 0);

	line[0] = '\0';
	if (n <= 0)
		return;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	/* "ERROR: ld.so: object 'X' from LD_PRELOAD cannot be preloaded (WHY): ignored." */
	const char *const open = strstr(buf, "cannot be preloaded (");
	if (open != NULL) {
		snprintf(line, PROOF_WHY_LEN, "%.*s", PROOF_WHY_LEN - 1,
		    open + strlen("cannot be preloaded ("));
		line[strcspn(line, ")")] = '\0';
	} else {
		snprintf(line, PROOF_WHY_LEN, "%.*s", PROOF_WHY_LEN - 1, buf);
	}
}

/* By the file too: the kernel may take the privilege away from a traced program. */
static bool is_privileged(pid_t pid, const char *exe)
{
	unsigned long secure = 0;
	struct stat st;
	char capability[64];

	if (linked_auxiliary(pid, AT_SECURE, &secure) && secure != 0)
		return true;
	if (stat(exe, &st) != 0)
		return false;
	if (((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
	    ((st.st_mode & S_ISGID) && st.st_gid != getegid()))
		return true;
	return geteuid() != 0 && getxattr(exe, "security.capability", capability,
	    sizeof capability) > 0;
}

/* What makes every preload useless. */
static bool refuses_all(pid_t pid, const char *command, struct proof *proof)
{
	struct elf_facts facts;
	char exe[NAME_LEN];

	snprintf(exe, sizeof exe, "/proc/%d/exe", pid);
	if (!elf_read(exe, &facts))
		conclude(proof, PROOF_NOT_LOADED, true, "%s: %s", command, facts.problem);
	else if (!facts.interpreted)
		conclude(proof, PROOF_NOT_LOADED, true,
		    "%s is statically linked: no allocator can be preloaded into it; to use slab, "
		    "build it again with libdmm.a", command);
	else if (is_privileged(pid, exe))
		conclude(proof, PROOF_NOT_LOADED, true,
		    "%s is setuid or setgid: the loader ignores what is preloaded", command);
	else if (facts.sanitizer != NULL)
		conclude(proof, PROOF_NOT_LOADED, true,
		    "%s is built with %s, which brings its own malloc; build it without", command,
		    facts.sanitizer);
	else if (facts.has_malloc)
		conclude(proof, PROOF_NOT_LOADED, true,
		    "%s defines malloc itself: what is preloaded is not asked", command);
	else
		return false;
	return true;
}

static bool set_breakpoint(pid_t pid)
{
	unsigned long entry;

	if (!linked_auxiliary(pid, AT_ENTRY, &entry))
		return false;
	errno = 0;
	const unsigned long text = (unsigned long)ptrace(PTRACE_PEEKTEXT, pid, (void *)entry, NULL);
	if (errno != 0)
		return false;
	return ptrace(PTRACE_POKETEXT, pid, (void *)entry,
	    (void *)((text & ~breakpoint_mask) | CPU_BREAKPOINT)) == 0;
}

/* The next time that it stops or ends; false: not within the patience. */
static bool wait_stop(pid_t pid, int *status)
{
	const struct timespec pause = {.tv_nsec = STEP_NS};

	for (int i = 0; i < STEPS; i++) {
		const pid_t r = waitpid(pid, status, WNOHANG);
		if (r != 0)
			return r == pid;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Run to the breakpoint; signals on the way are the program's. */
static bool run_to_entry(pid_t pid, int *status)
{
	int signal = 0;

	for (;;) {
		if (ptrace(PTRACE_CONT, pid, NULL, (void *)(long)signal) != 0 ||
		    !wait_stop(pid, status))
			return false;
		if (!WIFSTOPPED(*status))
			return false;
		if (WSTOPSIG(*status) == SIGTRAP)
			return true;
		signal = WSTOPSIG(*status);
	}
}

static void look(pid_t pid, const struct launch *l, struct proof *proof, struct linked *linked)
{
	int status = 0;

	if (refuses_all(pid, l->argv[0], proof))
		return;
	if (!set_breakpoint(pid)) {
		conclude(proof, PROOF_UNKNOWN, true, "the program cannot be stopped to look");
		return;
	}
	const bool there = run_to_entry(pid, &status);
	if (there && linked != NULL && !linked_read(pid, linked))
		*linked = (struct linked){.libc = ""};
	char complaint[PROOF_WHY_LEN];
	read_complaint(l->errors, complaint);
	if (!there && WIFSIGNALED(status))
		conclude(proof, PROOF_UNKNOWN, false, "killed by SIG%s while loading%s%s",
		    sigabbrev_np(WTERMSIG(status)), complaint[0] != '\0' ? ": " : "", complaint);
	else if (!there)
		conclude(proof, PROOF_NOT_LOADED, false, "%s",
		    complaint[0] != '\0' ? complaint : "the program ended while loading");
	else if (l->allocator->path == NULL || tree_has_mapped(pid, l->allocator->path))
		conclude(proof, PROOF_LOADED, false, "%s", "");
	else
		conclude(proof, PROOF_NOT_LOADED, false, "%s",
		    complaint[0] != '\0' ? complaint : "the loader left it out");
}

static void make(const struct launch *launch, struct proof *proof, struct linked *linked)
{
	struct launch l = *launch;
	double started;
	int status = 0;

	l.traced = true;
	l.output = -1;
	l.errors = launch_scratch();
	const pid_t pid = launch_start(&l, &started);
	if (pid < 0) {
		conclude(proof, PROOF_NOT_LOADED, true, "%s: %s", l.argv[0], strerror(-pid));
	} else if (!wait_stop(pid, &status) || !WIFSTOPPED(status)) {
		conclude(proof, PROOF_UNKNOWN, true, "this process may not trace");
	} else {
		ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_EXITKILL);
		look(pid, &l, proof, linked);
	}
	if (pid > 0)
		tree_kill();
	close(l.errors);
}

void proof_make(const struct launch *l, struct proof *proof)
{
	make(l, proof, NULL);
}

bool proof_linked(const struct launch *l, struct linked *linked)
{
	struct proof proof;

	*linked = (struct linked){.libc = ""};
	make(l, &proof, linked);
	return linked->malloc_from[0] != '\0';
}
