/* record.c - starts a program with the recorder preloaded; completes its recordings at its end. */
#include "record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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
#include "record/packer.h"
#include "run/forward.h"
#include "run/launch.h"
#include "trace/caveat.h"
#include "trace/no_events.h"
#include "trace/trace.h"

static bool is_tape(const char *path)
{
	const size_t n = strlen(path), suffix = strlen(TAPE_SUFFIX);
	return n > suffix && strcmp(path + n - suffix, TAPE_SUFFIX) == 0;
}

static bool is_recording(const char *path)
{
	char magic[9] = "";
	FILE *const f = fopen(path, "rbe");

	if (f == NULL)
		return false;
	const bool is = fread(magic, 1, 8, f) == 8 &&
	    (strcmp(magic, "dmmtrace") == 0 || strcmp(magic, "dmm tape") == 0);
	fclose(f);
	return is;
}

/* A file that is not dmm's, or that another dmm record writes now, is not replaced. */
static void check_earlier(const char *path)
{
	struct trace_error e;
	struct trace_file f;
	struct stat st;

	if (stat(path, &st) != 0 || (S_ISREG(st.st_mode) && st.st_size == 0))
		return;
	if (!S_ISREG(st.st_mode))
		lab_die(EXIT_USAGE, "%s: not a regular file; name another by -o", path);
	if (access(path, R_OK) != 0)
		lab_die(EXIT_OURS, "%s: %s", path, strerror(errno));
	if (!is_recording(path))
		lab_die(EXIT_USAGE, "%s is not a recording, and is not overwritten: name another "
		    "file by -o, or remove it first", path);
	if (!trace_file_open(&f, path, &e))
		return; /* damaged: it may go */
	if (f.running)
		lab_die(EXIT_USAGE, "%s is being recorded, by process %d: name another file by -o, "
		    "or wait until that process has ended", path, (int)f.head.pid);
	trace_file_close(&f);
}

/* The program must not run, perhaps for hours, for a recording that has no place. */
static void check_place(const char *path)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		lab_die(EXIT_OURS, "%s cannot be created: %s", path, strerror(errno));
	if (fd < 0)
		return;
	close(fd);
	unlink(path);
}

/* Files of an earlier recording of this name: the first process's, T.PID, T.execN, T.PID.execN, and
 * .tape of each. */
static void remove_earlier(const char *path)
{
	static const char *const kinds[] = {"", ".tape", ".[0-9]*", ".exec[0-9]*"};
	char pattern[PATH_MAX + 16];
	glob_t found;

	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		snprintf(pattern, sizeof pattern, "%s%s", path, kinds[k]);
		if (glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (is_recording(found.gl_pathv[i]))
				unlink(found.gl_pathv[i]);
		globfree(&found);
	}
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

static void become(const struct record_order *r, const char *library)
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
	execvp(r->command[0], r->command);
	lab_say("%s: %s", r->command[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
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

/* The recordings of the other processes, completed where a process is no more. */
static void tell_others(const char *path)
{
	static const char *const kinds[] = {".[0-9]*", ".exec[0-9]*"};
	char pattern[PATH_MAX + 16];
	glob_t found;
	struct trace_error e;
	size_t ended = 0, running = 0;

	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		snprintf(pattern, sizeof pattern, "%s%s", path, kinds[k]);
		if (glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t i = 0; i < found.gl_pathc; i++) {
			if (is_tape(found.gl_pathv[i]) || !is_recording(found.gl_pathv[i]))
				continue;
			const enum trace_settled r = trace_settle(found.gl_pathv[i], &e);
			if (e.text[0] != '\0')
				lab_say("%s: %s", found.gl_pathv[i], e.text);
			ended += r != TRACE_RUNNING;
			running += r == TRACE_RUNNING;
		}
		globfree(&found);
	}
	if (ended != 0)
		lab_say("%zu more recording%s beside it, of its children (.PID) and of what was "
			"there before an exec (.execN)", ended, ended == 1 ? "" : "s");
	if (running != 0)
		lab_say("%zu process%s still running and recorded, beside it (.PID)", running,
		    running == 1 ? " is" : "es are");
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
		lab_say("%s: %s; the last calls are still in %s.tape: keep both files, dmm reads "
		    "them together", r->path, e.text, r->path);
	else if (e.text[0] != '\0')
		lab_say("%s: %s", r->path, e.text);
	if (settled != TRACE_SETTLED || !WIFSIGNALED(status))
		return settled;
	snprintf(text, sizeof text, "signal=%d\n", WTERMSIG(status));
	if (!trace_append_text(r->path, TRACE_META, text, &e))
		lab_say("%s: %s", r->path, e.text);
	return settled;
}

static void tell(const struct record_order *r, int status)
{
	char events[UNITS_LEN], bytes[UNITS_LEN], end[128];
	struct trace_error e;
	struct trace_file f;
	enum trace_settled settled = TRACE_SETTLED;

	if (access(r->path, F_OK) != 0)
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
		tell_others(r->path);
		trace_file_close(&f);
	}
	lab_next(NULL, "dmm info %s", r->path);
}

int record_program(struct record_order *r)
{
	char *const library = allocator_library("record");

	if (library == NULL)
		lab_die(EXIT_OURS, "libdmm-record.so is not beside dmm");
	check_earlier(r->path);
	remove_earlier(r->path);
	check_place(r->path);
	share_total(r->path, r->max_size != 0);
	if (r->max_size == 0)
		packer_open(r->path);
	forward_begin();
	const pid_t pid = fork();
	if (pid == 0)
		become(r, library);
	if (pid < 0)
		lab_die(EXIT_OURS, "cannot fork: %s", strerror(errno));
	if (isatty(STDERR_FILENO)) /* no more than this: the terminal is the program's */
		lab_say("recording to %s for as long as the program runs", r->path);
	signal(SIGXFSZ, SIG_IGN); /* ours alone: a limit of file sizes is EFBIG to the packer */
	packer_start();
	const int status = forward_wait(pid);
	packer_stop();
	const int result = launch_status(status);
	share_total(r->path, false);
	if (result != EXIT_NOT_FOUND && result != EXIT_NOT_EXECUTABLE)
		tell(r, status);
	free(library);
	allocators_free(&r->list);
	return result;
}
