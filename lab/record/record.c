/* record.c - starts a program with the recorder preloaded; completes its recordings at its end. */
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/lab.h"
#include "cli/units.h"
#include "observe/trace_tape.h"
#include "record/earlier.h"
#include "record/packer.h"
#include "run/forward.h"
#include "run/launch.h"
#include "trace/beside.h"
#include "trace/caveat.h"
#include "trace/no_events.h"
#include "trace/trace.h"

/* The program must not run, perhaps for hours, for a recording that has no place. */
static void check_place(const char *path)
{
	const bool existed = access(path, F_OK) == 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *target = NULL;

	if (fd < 0 && errno == EEXIST) {
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		target = fd >= 0 ? realpath(path, NULL) : NULL; /* behind a symbolic link */
	}
	if (fd < 0)
		lab_die(EXIT_OURS, "%s cannot be %s: %s; name another file by -o", path,
		    existed ? "written" : "created", strerror(errno));
	close(fd);
	if (!existed)
		unlink(target != NULL ? target : path);
	free(target);
}

static void check_command(const char *command)
{
	char *const path = launch_path(command);

	if (path == NULL)
		lab_die(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, "%s: %s", command,
		    strerror(errno));
	free(path);
}

static void preload(const char *library)
{
	const char *const others = getenv("LD_PRELOAD");
	char *all;

	if (asprintf(&all, "%s%s%s", library, others != NULL ? ":" : "",
	    others != NULL ? others : "") < 0)
		lab_die(EXIT_OURS, "no memory");
	setenv("LD_PRELOAD", all, 1);
	free(all);
}

static void set_number(const char *name, uint64_t x)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, x);
	if (x != 0)
		setenv(name, text, 1);
	else
		unsetenv(name);
}

static void set_flag(const char *name, bool set)
{
	set_number(name, set);
}

/* Where all processes count their bytes together. */
static void share_total(const char *path, bool wanted)
{
	const struct trace_total none = {0};
	char name[PATH_MAX + 16];

	snprintf(name, sizeof name, "%s%s", path, TOTAL_SUFFIX);
	unlink(name);
	if (!wanted)
		return;
	FILE *const f = fopen(name, "wbxe");
	const bool written = f != NULL && fwrite(&none, sizeof none, 1, f) == 1;
	if ((f != NULL && fclose(f) != 0) || !written)
		lab_say("%s: %s; --max-size holds for each process alone", name, strerror(errno));
}

/* What the child says through the pipe; the kernel closes the pipe when the program begins. */
enum { PREPARED = 'p', NO_PROGRAM = 'n' };

static void note(int pipe, char what)
{
	if (write(pipe, &what, 1) != 1)
		_exit(EXIT_OURS);
}

static __attribute__((noreturn)) void become(const struct record_order *r, const char *library,
    int pipe)
{
	char pid[24];

	forward_child();
	if (r->list.count != 0)
		allocator_enter(&r->list.item[0]);
	preload(library);
	snprintf(pid, sizeof pid, "%d", getpid());
	setenv("DMM_RECORD", r->path, 1);
	setenv("DMM_RECORD_FIRST", pid, 1);
	setenv("DMM_RECORD_STACKS", r->stacks, 1);
	set_flag("DMM_RECORD_SCRUB", r->scrub);
	set_flag("DMM_RECORD_PAUSED", r->paused);
	set_flag("DMM_RECORD_NO_PYTHON", r->no_python);
	set_number("DMM_RECORD_MAX", r->max_size);
	set_number("DMM_RECORD_TOGGLE", (uint64_t)r->toggle);
	note(pipe, PREPARED);
	execvp(r->command[0], r->command);
	const int error = errno;
	note(pipe, NO_PROGRAM);
	lab_say("%s: %s", r->command[0], strerror(error));
	_exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* Waits until the child has become the program, or has failed to. */
static bool has_begun(int pipe)
{
	char last = NO_PROGRAM, next;
	ssize_t n;

	while ((n = read(pipe, &next, 1)) == 1 || (n < 0 && errno == EINTR))
		last = n == 1 ? next : last;
	return n == 0 && last == PREPARED;
}

/* False: there is no program, and the child said why. */
static bool start(const struct record_order *r, const char *library, pid_t *pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		lab_say("cannot make a pipe: %s", strerror(errno));
		*pid = -1;
		return false;
	}
	*pid = fork();
	if (*pid == 0)
		become(r, library, ends[1]);
	if (*pid < 0)
		lab_say("cannot fork: %s", strerror(errno));
	close(ends[1]);
	const bool begun = *pid > 0 && has_begun(ends[0]);
	close(ends[0]);
	return begun;
}

/* Nothing came out of the program: a recording that says why. */
static void record_silence(const struct record_order *r, int status)
{
	const struct trace_file_head head = {.stacks = TRACE_NONE,
	    .flags = r->scrub ? TRACE_SCRUBBED : 0};
	struct trace_error e;
	char why[512], text[1024];
	char *const program = launch_path(r->command[0]);

	explain_silence(program != NULL ? program : r->command[0], false,
	    WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	    why, sizeof why);
	lab_say("nothing was recorded: %s", why);
	struct trace_writer *const w = trace_writer_open(r->path, &head, &e);
	if (w != NULL) {
		const int n = r->scrub ? snprintf(text, sizeof text,
		    "silent=the recorder was not loaded\n")
		                       : snprintf(text, sizeof text, "command=%s\nsilent=%s\n",
		                       r->command[0], why);
		trace_writer_text(w, TRACE_META, text, (size_t)n);
		trace_writer_close(w, &e);
	}
	free(program);
}

struct others {
	size_t ended, running;
};

static void settle_other(void *arg, const char *path, enum file_kind kind)
{
	struct others *const o = arg;
	struct trace_error e;

	if (kind != FILE_RECORDING)
		return;
	const enum trace_settled r = trace_settle(path, &e);
	if (e.text[0] != '\0')
		lab_say("%s: %s", path, e.text);
	o->ended += r != TRACE_RUNNING;
	o->running += r == TRACE_RUNNING;
}

/* The recordings of the other processes, completed where a process is no more. first: the process
 * of T itself. */
static void tell_others(const char *path, uint32_t first)
{
	struct others o = {0};

	beside_each(path, first, settle_other, &o);
	if (o.ended != 0)
		lab_say("%zu more recording%s beside it, of its children (.PID) and of what was "
			"there before an exec (.execN)", o.ended, o.ended == 1 ? "" : "s");
	if (o.running != 0)
		lab_say("%zu process%s still running and recorded, beside it (.PID)", o.running,
		    o.running == 1 ? " is" : "es are");
}

static const char *ending(const struct trace_file *f, int status, enum trace_settled settled,
    char *text, size_t cap)
{
	char why[64];

	if (trace_file_value(f, TRACE_END, "stopped", why, sizeof why))
		snprintf(text, cap, "; recording stopped: %s", why);
	else if (f->ended)
		text[0] = '\0';
	else if (settled == TRACE_UNSETTLED && WIFEXITED(status))
		snprintf(text, cap, "; recording stopped before the program ended");
	else if (WIFSIGNALED(status))
		snprintf(text, cap, "; the program did not end in order: signal %d (%s)",
		    WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		snprintf(text, cap, "; the program did not end in order");
	return text;
}

/* The files that the process wrote, and the signal that ended it. */
static enum trace_settled complete(const struct record_order *r, int status)
{
	struct trace_error e;
	char text[32];

	const enum trace_settled settled = trace_settle(r->path, &e);
	if (settled == TRACE_UNSETTLED)
		lab_say("%s: %s; the last calls are only in %s.tape: keep both files; dmm reads "
		    "%s.tape along with %s", r->path, e.text, r->path, r->path, r->path);
	else if (e.text[0] != '\0')
		lab_say("%s: %s", r->path, e.text);
	if (settled != TRACE_SETTLED || !WIFSIGNALED(status))
		return settled;
	snprintf(text, sizeof text, "signal=%d\n", WTERMSIG(status));
	if (!trace_append_text(r->path, TRACE_META, text, &e))
		lab_say("%s: %s", r->path, e.text);
	return settled;
}

/* was_empty: T was there before, and empty. */
static void tell(const struct record_order *r, int status, bool was_empty)
{
	char events[UNITS_LEN], bytes[UNITS_LEN], end[128];
	struct trace_error e;
	struct trace_file f;
	enum trace_settled settled = TRACE_SETTLED;
	uint32_t pid;

	const enum file_kind kind = file_kind(r->path, &pid);
	if (access(r->path, F_OK) != 0 || (was_empty && kind == FILE_EMPTY))
		record_silence(r, status);
	else
		settled = complete(r, status);
	progress_begin("counting the calls in %s", r->path);
	const bool readable = trace_file_open(&f, r->path, &e);
	progress_end();
	if (!readable)
		lab_say("%s: %s", r->path, e.text);
	else {
		lab_say("%s: %s events in %s (%.1f bytes an event)%s", r->path,
		    units_count(events, (double)f.events), units_bytes(bytes, (double)f.len),
		    f.events != 0 ? (double)f.len / (double)f.events : 0.0,
		    ending(&f, status, settled, end, sizeof end));
		caveat_python(&f);
		tell_others(r->path, f.head.pid);
		trace_file_close(&f);
	}
	lab_next(NULL, "dmm info %s", lab_quoted(r->path));
}

static int follow(const struct record_order *r, pid_t pid, bool was_empty)
{
	if (isatty(STDERR_FILENO)) /* no more than this: the terminal is the program's */
		lab_say("recording to %s for as long as the program runs", r->path);
	signal(SIGXFSZ, SIG_IGN); /* ours alone: a limit of file sizes is EFBIG to the packer */
	packer_start();
	const int status = forward_wait(pid);
	packer_stop();
	share_total(r->path, false);
	tell(r, status, was_empty);
	return launch_status(status);
}

int record_program(struct record_order *r)
{
	char *const library = allocator_library("record");
	pid_t pid;
	int result = EXIT_OURS;

	if (library == NULL)
		lab_die(EXIT_OURS, "libdmm-record.so is not beside dmm");
	check_command(r->command[0]);
	struct earlier earlier = earlier_find(r->path);
	check_place(r->path);
	const bool was_empty = earlier.was_empty;
	forward_begin(); /* no signal ends dmm while files have other names */
	earlier_set_aside(&earlier);
	share_total(r->path, r->max_size != 0);
	if (r->max_size == 0)
		packer_open(r->path);
	if (start(r, library, &pid)) {
		earlier_discard(&earlier);
		result = follow(r, pid, was_empty);
	} else {
		share_total(r->path, false);
		packer_stop();
		if (pid > 0)
			result = launch_status(forward_wait(pid));
		earlier_restore(&earlier);
	}
	free(library);
	allocators_free(&r->list);
	return result;
}
