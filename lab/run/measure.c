/* measure.c - one run of a program. */
#include "run/measure.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/lab.h"
#include "process/tree.h"

static const double look_least_s = 0.005, look_most_s = 0.05; /* between looks at the tree */
static const double look_share = 0.01; /* of the time, at most, goes into looks */
static const double grace_s = 0.1;        /* for what outlives the first process */
static const double listen_patience_s = 10, goodbye_patience_s = 5;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* A shell's process substitution leaves its processes to the command as children, and no run may
 * end or count them: go on in a process that has none, and end as it does. */
static void leave_children_behind(void)
{
	pid_t one;
	int status = 0;

	if (tree_below(getpid(), &one, 1) == 0)
		return;
	fflush(NULL);
	const pid_t parent = getpid(), pid = fork();
	if (pid < 0)
		lab_die(EXIT_OURS, "cannot fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			_exit(EXIT_OURS);
		return;
	}
	signal(SIGINT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	_exit(launch_status(status));
}

void measure_begin(void)
{
	leave_children_behind();
	const struct sigaction action = {.sa_handler = on_interrupt};

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool measure_interrupted(void)
{
	return interrupted;
}

/* Add what a process, and all that it waited for, used. */
static void account(struct run *run, const struct rusage *u)
{
	const size_t peak = (size_t)u->ru_maxrss << 10;

	run->cpu_s += (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	    (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1e-6;
	run->faults += (uint64_t)(u->ru_minflt + u->ru_majflt);
	if (peak > run->peak_rss)
		run->peak_rss = peak;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == pid;
}

static double cpu_now(void)
{
	return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

/* Wait for pid alone; false when it has not ended by `deadline`.  Looks at the tree meanwhile. */
static bool wait_until(pid_t pid, double deadline, struct tree_watch *watch)
{
	const double begun = launch_now();
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	bool ended = false;
	double look_s = 0; /* of CPU time, that the last look took */

	while (!ended && !interrupted) {
		const double now = launch_now();
		double pause = fmin(fmax((now - begun) / 20, look_least_s), look_most_s);
		if (now >= deadline)
			break;
		pause = fmin(fmax(pause, look_s / look_share), deadline - now);
		ended = poll(&end, 1, (int)(pause * 1e3) + 1) > 0;
		if (ended || watch == NULL)
			continue;
		const double began = cpu_now();
		tree_look(watch, launch_now());
		look_s = cpu_now() - began;
	}
	close(end.fd);
	return ended;
}

static int reap(pid_t pid, struct run *run)
{
	struct rusage usage;
	int status = 0;

	while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR)
		continue;
	if (run != NULL)
		account(run, &usage);
	return status;
}

/* Processes that the program left get a moment to end, then they are killed. */
static void clear_up(struct run *run)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	const bool ended = run->ending == ENDING_EXIT || run->ending == ENDING_SIGNAL;
	const double deadline = launch_now() + (ended ? grace_s : 0);
	struct rusage usage;
	pid_t below[TREE_MAX], pid;

	while ((pid = wait4(-1, NULL, WNOHANG, &usage)) >= 0 && launch_now() < deadline) {
		if (pid > 0)
			account(run, &usage);
		else
			nanosleep(&pause, NULL);
	}
	if (ended)
		run->left = (unsigned)tree_below(getpid(), below, TREE_MAX);
	tree_kill();
}

static void set_end(struct run *run, int status)
{
	run->ending = WIFSIGNALED(status) ? ENDING_SIGNAL : ENDING_EXIT;
	run->code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void end_early(struct run *run, const struct measure *m)
{
	run->ending = interrupted ? ENDING_INTERRUPTED : ENDING_TIMEOUT;
	run->wall_s = m->timeout_s;
}

static void run_program(const struct measure *m, pid_t pid, double started,
    struct tree_watch *watch, struct run *run)
{
	const double deadline = m->timeout_s > 0 ? started + m->timeout_s : 1e18;

	if (!wait_until(pid, deadline, watch)) {
		end_early(run, m);
		return;
	}
	run->wall_s = launch_now() - started;
	set_end(run, reap(pid, run));
}

/* ---- a server and its driver ----------------------------------------------------------------- */

static bool wait_for_listening(pid_t server, struct tree_watch *watch)
{
	const double deadline = launch_now() + listen_patience_s;

	while (launch_now() < deadline && !interrupted) {
		if (tree_listens(server))
			return true;
		if (wait_until(server, launch_now() + look_least_s, watch))
			return false;
	}
	return false;
}

static pid_t start_driver(const struct measure *m, double *started)
{
	static const struct allocator plain = {.kind = KIND_BASELINE};
	char *const argv[] = {"/bin/sh", "-c", (char *)m->drive, NULL};
	const struct launch driver = {
	    .argv = argv, .allocator = &plain, .input = -1, .output = -1, .errors = -1};
	return launch_start(&driver, started);
}

/* The driver came to its end: was the server there all the time? */
static void end_server(pid_t server, struct tree_watch *watch, struct run *run)
{
	if (has_ended(server)) {
		set_end(run, reap(server, run));
		return;
	}
	tree_look(watch, launch_now());
	kill(server, SIGTERM);
	if (!wait_until(server, launch_now() + goodbye_patience_s, NULL))
		kill(server, SIGKILL);
	reap(server, run);
	run->ending = ENDING_EXIT;
	run->code = 0;
}

static void run_server(const struct measure *m, pid_t server, struct tree_watch *watch,
    struct run *run)
{
	double started = 0;

	if (!wait_for_listening(server, watch)) {
		run->ending = interrupted ? ENDING_INTERRUPTED : ENDING_NO_SERVER;
		return;
	}
	const pid_t driver = start_driver(m, &started);
	if (driver < 0) {
		run->ending = ENDING_NOT_STARTED;
		run->code = -driver;
		return;
	}
	watch->began = started; /* the average is over the time in which the server is driven */
	watch->byte_seconds = 0;
	watch->last_rss = 0;
	const double deadline = m->timeout_s > 0 ? started + m->timeout_s : 1e18;
	if (!wait_until(driver, deadline, watch)) {
		end_early(run, m);
		return;
	}
	run->wall_s = launch_now() - started;
	run->drive_code = launch_status(reap(driver, NULL));
	end_server(server, watch, run);
}

/* ---- what it said ---------------------------------------------------------------------------- */

static uint64_t hash_of(int fd)
{
	unsigned char buf[1 << 16];
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ buf[i]) * 0x100000001b3;
	return hash != 0 ? hash : 1;
}

static void read_last_words(int fd, char words[WORDS_LEN])
{
	char buf[2048];
	const off_t end = lseek(fd, 0, SEEK_END);
	const off_t from = end > (off_t)sizeof buf - 1 ? end - ((off_t)sizeof buf - 1) : 0;
	const ssize_t n = end > 0 ? pread(fd, buf, sizeof buf - 1, from) : 0;

	words[0] = '\0';
	if (n <= 0)
		return;
	buf[n] = '\0';
	char *last = buf;
	for (char *save, *line = strtok_r(buf, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		last = line;
	for (char *c = last; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	snprintf(words, WORDS_LEN, "%.*s", WORDS_LEN - 1, last);
}

void measure_run(const struct measure *m, struct run *run)
{
	struct launch l = m->program;
	struct tree_watch watch = {
	    .library = l.allocator != NULL ? l.allocator->path : NULL};
	double started;

	*run = (struct run){0};
	l.errors = launch_scratch();
	l.output = m->check_output ? launch_scratch() : -1;
	const pid_t pid = launch_start(&l, &started);
	if (pid < 0) {
		run->ending = ENDING_NOT_STARTED;
		run->code = -pid;
	} else {
		watch.root = pid;
		watch.began = started;
		if (m->drive != NULL)
			run_server(m, pid, &watch, run);
		else
			run_program(m, pid, started, &watch, run);
		clear_up(run);
		read_last_words(l.errors, run->last_words);
	}
	run->tree_rss = watch.peak_rss > run->peak_rss ? watch.peak_rss : run->peak_rss;
	run->mean_rss = tree_mean_rss(&watch);
	run->end_rss = watch.last_rss;
	run->with = watch.with;
	run->without = watch.without;
	if (l.output >= 0) {
		run->output = hash_of(l.output);
		close(l.output);
	}
	close(l.errors);
}
