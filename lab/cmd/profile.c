/* profile.c - dmm profile: which call stacks of a running process hold memory. */
#include <argp.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "profile/profile.h"

enum { KEY_PID = OPTION_OWN, KEY_TO, KEY_WHAT, KEY_ROWS, ROWS = 20 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const tos[] = {"text", "pprof", "folded", "speedscope", NULL};
	static const char *const whats[] = {"live", "allocated", "peak", "temporary", NULL};
	struct profile_order *const x = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (x->pid != 0)
			lab_die(EXIT_USAGE, "one process at a time: '%s' is the second", arg);
		/* fall through */
	case KEY_PID:
		x->pid = (pid_t)option_count("pid", arg, 1);
		break;
	case KEY_TO:
		x->to = (enum profile_to)option_choice("to", arg, tos);
		break;
	case KEY_WHAT:
		x->what = (enum profile_what)option_choice("what", arg, whats);
		break;
	case KEY_ROWS:
		x->rows = option_count("rows", arg, 1);
		break;
	case 'o':
		x->output = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_profile(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"pid", KEY_PID, "PID", 0,
	        "The process (PID alone will do), started with DMM_CONF=profile:512k", 0},
	    {"to", KEY_TO, "text|pprof|folded|speedscope", 0, "The format (text)", 0},
	    {"what", KEY_WHAT, "live|allocated|peak|temporary", 0,
	        "Sort the text by these bytes, and count them in folded stacks (live)", 0},
	    {"rows", KEY_ROWS, "N", 0, "Print at most N call sites as text (20)", 0},
	    {"output", 'o', "F", 0, "Write to F, not to stdout", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "[PID]",
	    .doc = "Show which call stacks of a running process hold memory, from the samples that "
	           "slab takes when DMM_CONF=profile:512k is set. The process is not stopped.\v"
	           "For a recording: dmm export --to=pprof T."};
	struct profile_order x = {.rows = ROWS};

	options_parse(&argp, argc, argv, &x);
	if (x.pid == 0)
		lab_die(EXIT_USAGE, "no process is given: dmm profile --pid=PID");
	return profile_run(&x);
}
