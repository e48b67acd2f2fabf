/* config.c - dmm config: every setting, its value, and where that came from. */
#include <argp.h>

#include "allocators/config_keys.h"
#include "allocators/registry.h"
#include "cli/lab.h"
#include "cmd/commands.h"

enum { KEY_SYSTEM = OPTION_OWN, KEY_CONF };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct config_order *const r = state->input;

	switch (key) {
	case KEY_SYSTEM:
		r->chosen = true;
		registry_choose_list("system", arg, r->system, &r->systems, CONFIG_SYSTEMS_MAX);
		break;
	case KEY_CONF:
		r->conf = arg;
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARG:
		lab_die(EXIT_USAGE, "config takes no operand, but got '%s'; --conf=%s reads a file",
		    arg, arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_config(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"system", KEY_SYSTEM, "S,..", 0, "The designs, or NAME=PATH.so (all)", 0},
	    {"conf", KEY_CONF, "F", 0,
	        "Read these settings, as dmm run --conf does: a file, or key:value,... on the "
	        "command line", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .doc = "List every setting of the designs, its value here and now, and its origin: "
	           "the design's default, DMM_CONF, or a file."};
	struct config_order r = {0};

	options_parse(&argp, argc, argv, &r);
	for (const struct dmm_system *const *s = registry_systems(); !r.chosen && *s != NULL; s++)
		r.system[r.systems++] = *s;
	return config_print(&r);
}
