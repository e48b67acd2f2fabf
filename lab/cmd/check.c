/* check.c - dmm check: budgets that fail a build. */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>

#include "budget/check.h"
#include "cmd/commands.h"

enum {
	KEY_PEAK = OPTION_OWN, KEY_LEAKED, KEY_CALLS, KEY_BASELINE, KEY_TOLERANCE, KEY_SUPPRESS,
	    KEY_JUNIT, KEY_FORM
};

static double share_of(const char *arg)
{
	char *end;

	errno = 0;
	const double percent = strtod(arg, &end);
	if (end == arg || (*end != '\0' && (*end != '%' || end[1] != '\0')) || !(percent >= 0) ||
	    percent > 1e6)
		lab_die(EXIT_USAGE, "--tolerance=%s: a share in percent, from 0 up", arg);
	return percent / 100;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const forms[] = {"text", "github", "json", NULL};
	struct check *const c = state->input;

	switch (key) {
	case KEY_PEAK:
		c->max_peak = (double)option_bytes("max-peak", arg);
		break;
	case KEY_LEAKED:
		c->max_leaked = (double)option_bytes("max-leaked", arg);
		break;
	case KEY_CALLS:
		c->max_calls = (double)option_count("max-calls", arg, 0);
		break;
	case KEY_BASELINE:
		c->baseline = arg;
		break;
	case KEY_TOLERANCE:
		c->tolerance = share_of(arg);
		break;
	case KEY_SUPPRESS:
		c->suppress_file = arg;
		break;
	case KEY_JUNIT:
		c->junit = arg;
		break;
	case KEY_FORM:
		c->form = (enum check_form)option_choice("format", arg, forms);
		break;
	case ARGP_KEY_ARG:
		option_operand(&c->path, arg, "recording");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_check(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"max-peak", KEY_PEAK, "BYTES", 0, "Allow this many bytes to be live at one time", 0},
	    {"max-leaked", KEY_LEAKED, "BYTES", 0, "Allow this many bytes that are never freed", 0},
	    {"max-calls", KEY_CALLS, "N", 0, "Allow this many allocations", 0},
	    {"baseline", KEY_BASELINE, "T0", 0,
	        "Allow as many live bytes, leaked bytes and calls as this recording has", 0},
	    {"tolerance", KEY_TOLERANCE, "PERCENT", 0, "Allow this much more than the baseline (5)",
	        0},
	    {"suppress", KEY_SUPPRESS, "F", 0,
	        "File F has one pattern of function names on each line.  Do not count as leaked "
	        "what such a function allocated, or a function that it called",
	        0},
	    {"junit", KEY_JUNIT, "F.xml", 0, "Also write the results as JUnit XML", 0},
	    {"format", KEY_FORM, "text|github|json", 0,
	        "The format of stdout (text); github: workflow annotations", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "Check a recording against budgets, and print one line for each.\v"
	           "Exit status 1: a budget is broken, or a recording cannot be read."};
	static struct check c = {.max_peak = -1, .max_leaked = -1, .max_calls = -1,
	    .tolerance = 0.05};

	options_parse(&argp, argc, argv, &c);
	if (c.path == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm check T --max-peak=100M");
	check_run(&c);
	check_print(&c);
	if (check_is_broken(&c) && c.baseline != NULL)
		lab_next(NULL, "dmm diff %s %s", lab_quoted(c.baseline), lab_quoted(c.path));
	else if (check_is_broken(&c))
		lab_next(NULL, "dmm advise %s", lab_quoted(c.path));
	return check_is_broken(&c) ? EXIT_FAULT : EXIT_FINE;
}
