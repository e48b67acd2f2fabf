/* export.c - dmm export: a recording for other tools. */
#include <argp.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "trace/export.h"

enum { KEY_TO = OPTION_OWN, KEY_WHAT };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const tos[] = {"folded", "dhat", "csv", "pprof", "speedscope", NULL};
	static const char *const whats[] = {"allocated", "leaked", "peak", NULL};
	struct export_order *const x = state->input;

	switch (key) {
	case KEY_TO:
		x->to = (enum export_to)option_choice("to", arg, tos);
		break;
	case KEY_WHAT:
		x->what = (enum export_what)option_choice("what", arg, whats);
		break;
	case 'o':
		x->output = arg;
		break;
	case ARGP_KEY_ARG:
		option_operand(&x->path, arg, "recording");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_export(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"to", KEY_TO, "folded|dhat|csv|pprof|speedscope", 0, "The format (folded)", 0},
	    {"what", KEY_WHAT, "allocated|leaked|peak", 0,
	        "Which bytes a folded stack counts (allocated)", 0},
	    {"output", 'o', "F", 0, "Write to F, not to stdout", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "Convert a recording for other tools: folded stacks, DHAT's JSON, CSV, "
	           "and pprof."};
	struct export_order x = {0};

	options_parse(&argp, argc, argv, &x);
	if (x.path == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm export --to=folded T");
	return export_run(&x);
}
