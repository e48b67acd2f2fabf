/* run.c - a child process for each design, so that one that crashes or hangs is a line in the
 * page; what they find lies in memory that is shared with them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/lab.h"
#include "cli/progress.h"
#include "report/report.h"

struct design_child {
	pid_t pid; /* 0: not started, or over */
};

/* Of CPU time: a busy machine is no fault of a design. */
static double seconds_used(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) == 0 ? clock_s(clock) : 0;
}

static void start(struct design_child *j, struct report_design *d, const struct report_survey *s,
    const struct subject *subject)
{
	fflush(NULL);
	j->pid = fork();
	if (j->pid < 0)
		lab_die(EXIT_OURS, "cannot start a process for %s: %s", subject->name,
		    strerror(errno));
	if (j->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	progress_to(&d->share);
	progress_begin("%s", subject->name);
	if (!report_design(d, s, subject))
		snprintf(d->problem, sizeof d->problem, "no memory to replay");
	d->done = true;
	_exit(0);
}

static void say_end(const struct report_design *d)
{
	if (d->problem[0] != '\0')
		lab_say("%s: %s", d->name, d->problem);
	else
		lab_say("%s: replayed and looked at %zu times in %.1f s", d->name, d->samples,
		    d->seconds);
}

static void note_end(struct design_child *j, struct report_design *d, int status)
{
	j->pid = 0;
	if (!d->done && WIFSIGNALED(status))
		snprintf(d->problem, sizeof d->problem, "ended by signal %d (%s) during the replay",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (!d->done)
		snprintf(d->problem, sizeof d->problem, "ended with status %d during the replay",
		    WEXITSTATUS(status));
	say_end(d);
}

/* One look at a child that runs; whether it is over. */
static bool look(struct design_child *j, struct report_design *d, double limit_s)
{
	int status;

	if (waitpid(j->pid, &status, WNOHANG) == j->pid) {
		note_end(j, d, status);
		return true;
	}
	if (seconds_used(j->pid) <= limit_s)
		return false;
	kill(j->pid, SIGKILL);
	waitpid(j->pid, &status, 0);
	j->pid = 0;
	if (d->done) {
		say_end(d);
		return true;
	}
	snprintf(d->problem, sizeof d->problem,
	    "stopped after %.0f s of CPU time: too slow on this recording (--limit=S allows more)",
	    limit_s);
	say_end(d);
	return true;
}

static void tell_share(const struct report_design *d, size_t n)
{
	double sum = 0, share;

	for (size_t i = 0; i < n; i++) {
		__atomic_load(&d[i].share, &share, __ATOMIC_RELAXED);
		sum += d[i].done ? 1 : share;
	}
	progress_share(sum / (double)n);
}

struct report_design *report_designs(const struct report_survey *s, const struct subject *subjects,
    size_t n, double limit_s, size_t jobs)
{
	struct report_design *const d = mmap(NULL, n * sizeof *d, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct design_child job[REPORT_DESIGNS] = {{0}};
	size_t next = 0, running = 0;

	if (d == MAP_FAILED)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		snprintf(d[i].name, sizeof d[i].name, "%s", subjects[i].name);
		snprintf(d[i].doc, sizeof d[i].doc, "%s", subjects[i].sys->doc);
	}
	progress_begin("replaying on models of %zu designs", n);
	while (next < n || running != 0) {
		for (; next < n && running < jobs; next++, running++)
			start(&job[next], &d[next], s, &subjects[next]);
		usleep(2000);
		tell_share(d, n);
		for (size_t i = 0; i < next; i++)
			running -= job[i].pid != 0 && look(&job[i], &d[i], limit_s);
	}
	progress_end();
	return d;
}
