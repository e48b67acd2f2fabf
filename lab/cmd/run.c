/* run.c - dmm run: a program on a design, with env(1)'s exit status. */
#include <argp.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "run/run.h"

enum { KEY_SYSTEM = OPTION_OWN, KEY_LIB, KEY_CONF, KEY_STATS };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_order *const r = state->input;

	switch (key) {
	case KEY_SYSTEM:
		allocators_add_systems(&r->list, arg);
		break;
	case KEY_LIB:
		allocators_add_library(&r->list, arg);
		break;
	case KEY_CONF:
		r->conf = arg;
		break;
	case KEY_STATS:
		r->stats = true;
		break;
	case ARGP_KEY_ARGS:
		r->command = state->argv + state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_run(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"system", KEY_SYSTEM, "S", 0, "The design to run on (slab), or NAME=PATH.so", 0},
	    {"lib", KEY_LIB, "SO", 0,
	        "The allocator to run on: any shared object that defines malloc", 0},
	    {"conf", KEY_CONF, "F", 0,
	        "Use these settings: a file, one key:value a line, or key:value,... on the "
	        "command line; 'dmm config' lists the keys", 0},
	    {"stats", KEY_STATS, NULL, 0,
	        "Print calls, time and memory on stderr when the program has ended", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "-- PROGRAM [ARG...]",
	    .doc = "Run a program on a design or another allocator.  The exit status is the "
	           "program's."};
	struct run_order r = {0};

	options_parse(&argp, argc, argv, &r);
	if (r.command == NULL)
		lab_die(EXIT_USAGE, "no program is given: dmm run --system=bins -- PROGRAM ARG...");
	if (r.list.count == 0)
		allocators_add_systems(&r.list, "slab");
	if (r.list.count > 1)
		lab_die(EXIT_USAGE, "run takes one allocator; 'dmm compare' takes several");
	return run_program(&r);
}
