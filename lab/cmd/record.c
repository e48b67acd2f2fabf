/* record.c - dmm record: every call of a program to its heap, into a file. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/units.h"
#include "cmd/commands.h"
#include "record/record.h"

enum { KEY_STACKS = OPTION_OWN, KEY_SCRUB, KEY_SYSTEM, KEY_LIB, KEY_MAX_SIZE, KEY_PAUSED,
    KEY_TOGGLE, KEY_PYTHON };

enum { MAX_SIZE_LEAST = 64 << 10 };

static void set_path(struct record_order *r, const char *arg)
{
	char here[PATH_MAX / 2] = "";

	if (arg[0] != '/' && getcwd(here, sizeof here) == NULL)
		lab_die(EXIT_OURS, "cannot find the current directory: %s", strerror(errno));
	if (snprintf(r->path, sizeof r->path, "%s%s%s", here, here[0] != '\0' ? "/" : "",
	    arg) >= PATH_MAX)
		lab_die(EXIT_USAGE, "-o %s: too long", arg);
}

static uint64_t max_size(const char *arg)
{
	uint64_t bytes;

	if (!units_parse_bytes(arg, &bytes) || bytes < MAX_SIZE_LEAST)
		lab_die(EXIT_USAGE, "--max-size=%s: bytes, at least %d KiB, as 500M or 2G", arg,
		    MAX_SIZE_LEAST >> 10);
	return bytes;
}

/* "USR2", "SIGUSR2", "12": one that a program may catch. */
static int signal_named(const char *arg)
{
	const char *const name = strncasecmp(arg, "SIG", 3) == 0 ? arg + 3 : arg;
	char *end;
	const long number = strtol(arg, &end, 10);

	for (int i = 1; i < NSIG; i++) {
		const char *const known = sigabbrev_np(i);
		if ((known != NULL && strcasecmp(known, name) == 0) ||
		    (*end == '\0' && number == i))
			if (i != SIGKILL && i != SIGSTOP)
				return i;
	}
	lab_die(EXIT_USAGE, "--toggle=%s: no signal that a program can catch; USR2, for example",
	    arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const stacks[] = {"none", "caller", "fp", "dwarf", NULL};
	static const char *const python[] = {"auto", "off", NULL};
	struct record_order *const r = state->input;

	switch (key) {
	case 'o':
		set_path(r, arg);
		break;
	case KEY_STACKS:
		r->stacks = stacks[option_choice("stacks", arg, stacks)];
		break;
	case KEY_PYTHON:
		r->no_python = option_choice("python", arg, python) == 1;
		break;
	case KEY_SCRUB:
		r->scrub = true;
		break;
	case KEY_MAX_SIZE:
		r->max_size = max_size(arg);
		break;
	case KEY_PAUSED:
		r->paused = true;
		break;
	case KEY_TOGGLE:
		r->toggle = signal_named(arg);
		break;
	case KEY_SYSTEM:
		allocators_add_systems(&r->list, arg);
		break;
	case KEY_LIB:
		allocators_add_library(&r->list, arg);
		break;
	case ARGP_KEY_ARGS:
		r->command = state->argv + state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_record(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "T", 0,
	        "Write the recording to T (dmm.trace), those of child processes to T.PID", 0},
	    {"stacks", KEY_STACKS, "none|caller|fp|dwarf", 0,
	        "Record call stacks: none, only the caller (default), by frame pointers, or by "
	        "DWARF tables", 0},
	    {"python", KEY_PYTHON, "auto|off", 0,
	        "Name the functions and lines of a Python program (default), or those of the "
	        "interpreter", 0},
	    {"scrub", KEY_SCRUB, NULL, 0, "Leave out command lines and paths", 0},
	    {"max-size", KEY_MAX_SIZE, "BYTES", 0,
	        "Stop recording when the recordings of all processes together reach this size "
	        "(500M, 2G); the program goes on", 0},
	    {"paused", KEY_PAUSED, NULL, 0,
	        "Start without recording; --toggle or dmm_record.h begins it", 0},
	    {"toggle", KEY_TOGGLE, "SIGNAL", 0,
	        "Start or stop recording whenever the program receives this signal", 0},
	    {"system", KEY_SYSTEM, "S", 0, "Run the program on this design", 0},
	    {"lib", KEY_LIB, "SO", 0, "Run the program on this allocator", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "-- PROGRAM [ARG...]",
	    .doc = "Record every call of a program to its heap.  The exit status is the "
	    "program's."};
	struct record_order r = {.stacks = "caller"};

	options_parse(&argp, argc, argv, &r);
	if (r.command == NULL)
		lab_die(EXIT_USAGE, "no program is given: dmm record -o T -- PROGRAM ARG...");
	if (r.path[0] == '\0')
		set_path(&r, "dmm.trace");
	return record_program(&r);
}
