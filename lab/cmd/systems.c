/* systems.c - dmm systems: the designs, the lesson of each, and the mistakes that it cannot see. */
#include <argp.h>

#include "allocators/registry.h"
#include "cli/lab.h"
#include "cmd/commands.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	if (key == OPTION_FORMAT)
		*(enum format *)state->input = option_format(arg);
	else if (key == ARGP_KEY_ARG)
		lab_die(EXIT_USAGE, "systems takes no operand, but got '%s'", arg);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

int cmd_systems(int argc, char **argv)
{
	static const struct argp_option options[] = {OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .doc = "List the designs of the lecture and the default: what each teaches, and which "
	    "mistakes of a program it cannot see."};
	enum format format = FORMAT_TEXT;

	options_parse(&argp, argc, argv, &format);
	systems_print(format);
	return EXIT_FINE;
}
