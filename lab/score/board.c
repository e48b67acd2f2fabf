/* board.c - starts a child for each file and design, limits its time, and judges how it ended. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/array.h"
#include "cli/input.h"
#include "import/convert.h"
#include "score/score.h"
#include "cli/progress.h"

struct score_job {
	void (*run)(const struct score_job *job);
	const char *design, *from, *to; /* paths */
	struct score_result *r;
	/* SCORE_TEXT bytes for what a child says that ends well; NULL: it is not wanted */
	char *note;
	int said[2]; /* a pipe for its standard error: full, it takes no more */
};

/* ---- children -------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void child(const struct score_job *job)
{
	const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	dup2(nothing, STDIN_FILENO); /* what a student's library prints is no data */
	dup2(nothing, STDOUT_FILENO);
	dup2(job->said[1], STDERR_FILENO);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	job->run(job);
	job->r->done = true;
	fflush(stderr);
	_exit(EXIT_FINE);
}

/* Its end, or false: it took longer than `seconds` and was killed. */
static bool wait_for(pid_t pid, double seconds, int *status)
{
	const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = {.fd = fd, .events = POLLIN};
	int ready;

	do
		ready = fd < 0 ? 1 : poll(&end, 1, (int)(seconds * 1000));
	while (ready < 0 && errno == EINTR);
	if (ready == 0)
		kill(-pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
	if (fd >= 0)
		close(fd);
	return ready != 0;
}

/* The first line that the child said, without "dmm: ". */
static void first_line(int said, char text[SCORE_TEXT])
{
	const ssize_t n = read(said, text, SCORE_TEXT - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "dmm: ", 5) == 0)
		memmove(text, text + 5, strlen(text + 5) + 1);
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c == 0x7f)
			*c = '?'; /* a file's own bytes must not drive a terminal */
}

/* Explain the end of a child; r->problem stays if the child wrote it. */
static void explain(const struct score_job *job, bool in_time, int status, double seconds)
{
	char *const problem = job->r->problem;

	problem[SCORE_TEXT - 1] = '\0';
	if (!in_time)
		snprintf(problem, SCORE_TEXT, "it hangs: stopped after %.3g s (--timeout)",
		    seconds);
	else if (WIFSIGNALED(status)) {
		char said[SCORE_TEXT];
		first_line(job->said[0], said);
		snprintf(problem, SCORE_TEXT, "it crashes: %s%s%.120s", strsignal(WTERMSIG(status)),
		    said[0] != '\0' ? ": " : "", said);
	} else if (!job->r->done && problem[0] == '\0') {
		first_line(job->said[0], problem);
		if (problem[0] == '\0')
			snprintf(problem, SCORE_TEXT, "it ends the program with status %d",
			    WEXITSTATUS(status));
	}
}

static void run(struct score_job *job, double seconds)
{
	int status = 0;

	job->r->done = false;
	fflush(NULL);
	const pid_t pid = pipe2(job->said, O_CLOEXEC | O_NONBLOCK) != 0 ? -1 : fork();
	if (pid == 0)
		child(job);
	if (pid < 0)
		lab_die(EXIT_OURS, "cannot start a process for a trace: %s", strerror(errno));
	const bool in_time = wait_for(pid, seconds, &status);
	explain(job, in_time, status, seconds);
	if (job->note != NULL && job->r->problem[0] == '\0')
		first_line(job->said[0], job->note);
	close(job->said[0]);
	close(job->said[1]);
}

static void run_design(const struct score_job *job)
{
	score_play(job->r, job->design, job->from);
}

static void run_reference(const struct score_job *job)
{
	score_reference(job->r, job->from);
}

static void run_import(const struct score_job *job)
{
	const struct import_order order = {.path = job->from, .output = job->to, .terse = true};
	if (import_convert(&order) != EXIT_FINE)
		_exit(EXIT_FAULT);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void add(struct score_board *b, const char *folder, const char *name)
{
	if (!ARRAY_RESERVE(b->trace, b->cap, b->traces + 1))
		lab_die(EXIT_OURS, "no memory for %zu traces", b->traces);
	struct score_trace *const t = &b->trace[b->traces++];
	*t = (struct score_trace){.name = strdup(name)};
	if (t->name == NULL || asprintf(&t->path, "%s%s%s", folder, folder[0] != '\0' ? "/" : "",
	    name) < 0)
		lab_die(EXIT_OURS, "no memory for %zu traces", b->traces);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void find_traces(struct score_board *b, const char *path)
{
	struct dirent **entry;
	struct stat st;

	if (stat(path, &st) != 0)
		lab_die(EXIT_FAULT, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode)) {
		add(b, "", path);
		return;
	}
	const int n = scandir(path, &entry, visible, alphasort);
	if (n < 0)
		lab_die(EXIT_FAULT, "%s: %s", path, strerror(errno));
	for (int i = 0; i < n; i++) {
		struct stat file;
		char *full = NULL;
		if (asprintf(&full, "%s/%s", path, entry[i]->d_name) < 0)
			lab_die(EXIT_OURS, "no memory for the names of traces");
		if (stat(full, &file) != 0 || S_ISREG(file.st_mode))
			add(b, path, entry[i]->d_name);
		free(full);
		free(entry[i]);
	}
	free(entry);
	if (b->traces == 0)
		lab_die(EXIT_FAULT, "%s: there is no file in it", path);
}

static bool is_recording(const char *path)
{
	char begin[8] = {0};
	const int fd = input_open(path);
	const ssize_t n = fd >= 0 ? read(fd, begin, sizeof begin) : -1;

	if (fd >= 0)
		close(fd);
	return n == sizeof begin && memcmp(begin, "dmmtrace", 8) == 0;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void measure(struct score_board *b, struct score_trace *t, const char *scratch,
    struct score_result *r)
{
	const struct score_order *const o = b->order;
	const bool ready = is_recording(t->path);
	struct score_job job = {.run = run_import, .from = t->path, .to = scratch, .r = r,
	    .note = t->note};

	*r = (struct score_result){.done = false};
	if (!ready)
		run(&job, o->timeout_s);
	job = (struct score_job){.run = run_reference, .from = ready ? t->path : scratch, .r = r};
	if (r->problem[0] == '\0')
		run(&job, o->timeout_s);
	memcpy(t->problem, r->problem, SCORE_TEXT);
	t->calls = r->peak_payload;
	t->reference_seconds = o->reference > 0 ? (double)t->calls / o->reference : r->seconds;
	for (size_t i = 0; i < o->designs && t->problem[0] == '\0'; i++) {
		*r = (struct score_result){.done = false};
		job.run = run_design;
		job.design = o->design[i];
		run(&job, o->timeout_s);
		t->result[i] = *r;
	}
	unlink(scratch);
}

void score_measure(struct score_board *b, const struct score_order *order)
{
	char folder[] = "/tmp/dmm-score-XXXXXX", *scratch = NULL;
	struct score_result *const r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*b = (struct score_board){.order = order};
	find_traces(b, order->traces);
	if (r == MAP_FAILED)
		lab_die(EXIT_OURS, "no memory to share with children");
	if (mkdtemp(folder) == NULL || asprintf(&scratch, "%s/trace", folder) < 0)
		lab_die(EXIT_OURS, "%s: %s", folder, strerror(errno));
	progress_begin("playing traces");
	for (size_t i = 0; i < b->traces; i++) {
		progress_label("playing %s", b->trace[i].name);
		progress_share((double)i / (double)b->traces);
		measure(b, &b->trace[i], scratch, r);
	}
	progress_end();
	rmdir(folder);
	free(scratch);
	munmap(r, sizeof *r);
}

void score_free(struct score_board *b)
{
	for (size_t i = 0; i < b->traces; i++) {
		free(b->trace[i].path);
		free(b->trace[i].name);
	}
	free(b->trace);
}
