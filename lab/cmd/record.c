/* record.c - dmm record: every call of a program to its heap, into a file. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "allocators/allocators.h"
#include "cmd/commands.h"
#include "trace/no_events.h"
#include "cli/lab.h"
#include "run/launch.h"
#include "trace/trace.h"
#include "cli/units.h"

enum { KEY_STACKS = OPTION_OWN, KEY_SCRUB, KEY_SYSTEM, KEY_LIB };

struct request {
	struct allocators list;
	char **command;
	const char *stacks;
	char path[PATH_MAX];
	bool scrub;
};

static void set_path(struct request *r, const char *arg)
{
	char here[PATH_MAX / 2] = "";

	if (arg[0] != '/' && getcwd(here, sizeof here) == NULL)
		lab_die(EXIT_OURS, "where am I? %s", strerror(errno));
	if (snprintf(r->path, sizeof r->path, "%s%s%s", here, here[0] != '\0' ? "/" : "", arg) >= PATH_MAX)
		lab_die(EXIT_USAGE, "-o %s: too long", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const stacks[] = {"none", "caller", "fp", "dwarf", NULL};
	struct request *const r = state->input;
	char item[PATH_MAX + 8];

	switch (key) {
	case 'o':
		set_path(r, arg);
		break;
	case KEY_STACKS:
		r->stacks = stacks[option_choice("stacks", arg, stacks)];
		break;
	case KEY_SCRUB:
		r->scrub = true;
		break;
	case KEY_SYSTEM:
		allocators_add_systems(&r->list, arg);
		break;
	case KEY_LIB:
		snprintf(item, sizeof item, "%s%s", strchr(arg, '=') != NULL ? "" : "library=", arg);
		allocators_add_peers(&r->list, item);
		break;
	case ARGP_KEY_ARGS:
		r->command = state->argv + state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool is_recording(const char *path)
{
	char magic[8] = "";
	FILE *const f = fopen(path, "rbe");

	if (f == NULL)
		return false;
	const bool is = fread(magic, 1, sizeof magic, f) == sizeof magic &&
	    memcmp(magic, "dmmtrace", sizeof magic) == 0;
	fclose(f);
	return is;
}

/* What an earlier recording of this name left: the first process's, T.PID, T.execN, T.PID.execN. */
static void remove_earlier(const char *path)
{
	static const char *const kinds[] = {"", ".[0-9]*", ".exec[0-9]*"};
	char pattern[PATH_MAX + 16];
	glob_t found;

	for (size_t k = 0; k < 3; k++) {
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

	if (asprintf(&all, "%s%s%s", library, others != NULL ? ":" : "", others != NULL ? others : "") < 0)
		lab_die(EXIT_OURS, "no memory");
	setenv("LD_PRELOAD", all, 1);
	free(all);
}

static void become(const struct request *r, const char *library)
{
	char pid[24];

	if (r->list.count != 0)
		allocator_enter(&r->list.item[0]);
	preload(library);
	snprintf(pid, sizeof pid, "%d", getpid());
	setenv("DMM_RECORD", r->path, 1);
	setenv("DMM_RECORD_FIRST", pid, 1);
	setenv("DMM_RECORD_STACKS", r->stacks, 1);
	if (r->scrub)
		setenv("DMM_RECORD_SCRUB", "1", 1);
	else
		unsetenv("DMM_RECORD_SCRUB");
	execvp(r->command[0], r->command);
	lab_say("%s: %s", r->command[0], strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* Nothing came out of the program: a recording that says why. */
static void record_silence(const struct request *r)
{
	const struct trace_file_head head = {.stacks = TRACE_NONE,
	    .flags = r->scrub ? TRACE_SCRUBBED : 0};
	struct trace_error e;
	char why[512], text[1024];
	char *const program = launch_path(r->command[0]);

	explain_silence(program != NULL ? program : r->command[0], false, why, sizeof why);
	lab_say("nothing was recorded: %s", why);
	struct trace_writer *const w = trace_writer_open(r->path, &head, &e);
	if (w != NULL) {
		const int n = r->scrub ? snprintf(text, sizeof text, "silent=the recorder was not loaded\n")
		                       : snprintf(text, sizeof text, "command=%s\nsilent=%s\n", r->command[0], why);
		trace_writer_text(w, TRACE_META, text, (size_t)n);
		trace_writer_close(w, &e);
	}
	free(program);
}

static size_t count_others(const char *path)
{
	char pattern[PATH_MAX + 16];
	glob_t found;
	size_t count = 0;

	snprintf(pattern, sizeof pattern, "%s.[e0-9]*", path);
	if (glob(pattern, 0, NULL, &found) == 0) {
		count = found.gl_pathc;
		globfree(&found);
	}
	return count;
}

static void tell(const struct request *r)
{
	char events[UNITS_LEN], bytes[UNITS_LEN];
	struct trace_error e;
	struct trace_file f;

	if (access(r->path, F_OK) != 0)
		record_silence(r);
	else if (!trace_file_open(&f, r->path, &e))
		lab_say("%s: %s", r->path, e.text);
	else {
		const size_t others = count_others(r->path);
		lab_say("%s: %s events in %s (%.1f bytes an event)%s", r->path,
		    units_count(events, (double)f.events), units_bytes(bytes, (double)f.len),
		    f.events != 0 ? (double)f.len / (double)f.events : 0.0,
		    f.ended ? "" : "; the program did not end in order");
		if (others != 0)
			lab_say("%zu more recordings beside it, of its children (.PID) and of what was there "
				"before an exec (.execN)", others);
		trace_file_close(&f);
	}
	lab_next(NULL, "dmm info %s", r->path);
}

int cmd_record(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "T", 0, "The recording (dmm.trace); those of children are T.PID", 0},
	    {"stacks", KEY_STACKS, "none|caller|fp|dwarf", 0,
		"Call stacks: none, the caller only (default), by frame pointers, by DWARF tables", 0},
	    {"scrub", KEY_SCRUB, NULL, 0, "Leave command lines and paths out", 0},
	    {"system", KEY_SYSTEM, "S", 0, "Run it on this design meanwhile", 0},
	    {"lib", KEY_LIB, "SO", 0, "Run it on this allocator meanwhile", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "-- PROGRAM [ARG...]",
	    .doc = "Record every call of a program to its heap.  The exit status is the program's."};
	struct request r = {.stacks = "caller"};
	int status = 0;

	options_parse(&argp, argc, argv, &r);
	if (r.command == NULL)
		lab_die(EXIT_USAGE, "record what?  dmm record -o T -- PROGRAM ARG...");
	if (r.path[0] == '\0')
		set_path(&r, "dmm.trace");
	char *const library = allocator_library("record");
	if (library == NULL)
		lab_die(EXIT_OURS, "libdmm-record.so is not beside dmm");
	remove_earlier(r.path);
	const pid_t pid = fork();
	if (pid == 0)
		become(&r, library);
	if (pid < 0)
		lab_die(EXIT_OURS, "cannot fork: %s", strerror(errno));
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	const int result = launch_status(status);
	if (result != EXIT_NOT_FOUND && result != EXIT_NOT_EXECUTABLE)
		tell(&r);
	free(library);
	allocators_free(&r.list);
	return result;
}
