/* info.c - dmm info: what is in a recording. */
#include <argp.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "trace/info.h"

enum { KEY_TOP = OPTION_OWN };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct info *const i = state->input;

	switch (key) {
	case OPTION_FORMAT:
		i->format = option_format(arg);
		break;
	case KEY_TOP:
		i->top = option_count("top", arg, 1);
		break;
	case ARGP_KEY_ARG:
		option_operand(&i->path, arg, "recording");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_info(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"top", KEY_TOP, "N", 0, "Show this many call sites in each list (10)", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc =
	        "Show what is in a recording: its processes, its calls, and the call sites with "
	        "the most live bytes at the peak, the most calls, the most temporary objects, and "
	        "the most memory that the program never freed."};
	struct info i = {.top = 10};

	options_parse(&argp, argc, argv, &i);
	if (i.path == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm info T");
	if (i.format == FORMAT_CSV)
		lab_die(EXIT_USAGE, "info has no CSV; 'dmm export --to=csv' has the events");
	return info_print(&i);
}
