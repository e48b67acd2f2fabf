/* torture.c - dmm torture: random operations on a system, checked against a shadow. */
#include <argp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "lesson/lesson.h"
#include "lesson/rules.h"
#include "torture/torture.h"

enum {
	OPTION_SYSTEM = OPTION_OWN,
	OPTION_OPS,
	OPTION_THREADS,
	OPTION_SEED,
	OPTION_OS,
	OPTION_CONF,
	OPTION_PAIRWISE,
	OPTION_SHRINK,
	OPTION_RULES,
};

static const struct argp_option options[] = {
    {"system", OPTION_SYSTEM, "S", 0, "The design, or NAME=PATH.so (all)", 0},
    {"ops", OPTION_OPS, "N", 0, "Perform this many operations (1000000)", 0},
    {"threads", OPTION_THREADS, "N", 0, "Share one heap among this many threads, 1 to 64 (1)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed the random numbers with this (the clock)", 0},
    {"os", OPTION_OS, "arena|linux", 0, "Run the heap on simulated memory or on Linux (arena)", 0},
    {"conf", OPTION_CONF, "KEY:VALUE,...", 0, "Settings of the design, as in DMM_CONF", 0},
    {"pairwise", OPTION_PAIRWISE, NULL, 0,
        "Run --ops operations for every pair of values of two settings", 0},
    {"shrink", OPTION_SHRINK, "SECONDS", 0,
        "After a failure, search this long for the fewest calls that fail (30; 0: do not)", 0},
    {"output", 'o', "FILE.c", 0, "Write the C program that shows a failure to FILE.c (stdout)", 0},
    {"rules", OPTION_RULES, NULL, 0, "Print the rules that each heap is checked against", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const oses[] = {"arena", "linux", NULL};
	struct torture_order *const r = state->input;

	switch (key) {
	case OPTION_SYSTEM:
		r->word = arg;
		break;
	case OPTION_OPS:
		r->t.ops = option_count("ops", arg, 1);
		break;
	case OPTION_THREADS:
		r->t.threads = (unsigned)option_count("threads", arg, 1);
		if (r->t.threads > TORTURE_THREADS_MAX)
			lab_die(EXIT_USAGE, "--threads=%s: at most %d", arg, TORTURE_THREADS_MAX);
		break;
	case OPTION_SEED:
		r->t.seed = option_count("seed", arg, 0);
		break;
	case OPTION_OS:
		r->t.on_linux = option_choice("os", arg, oses) == 1;
		break;
	case OPTION_CONF:
		r->conf = arg;
		break;
	case OPTION_PAIRWISE:
		r->pairwise = true;
		break;
	case OPTION_SHRINK:
		r->shrink_s = strcmp(arg, "0") == 0 ? 0 : option_seconds("shrink", arg);
		break;
	case OPTION_RULES:
		rules_print(stdout);
		exit(EXIT_FINE);
	case 'o':
		r->file = arg;
		break;
	case ARGP_KEY_ARG:
		lab_die(EXIT_USAGE, "torture takes no operand, but got '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static uint64_t seed_of_the_clock(void)
{
	return clock_ns(CLOCK_REALTIME) ^ (uint64_t)getpid() << 40;
}

int cmd_torture(int argc, char **argv)
{
	struct torture_order r = {.t = {.ops = 1000000, .threads = 1, .seed = seed_of_the_clock()},
	    .shrink_s = 30};
	const struct argp argp = {options, parse, NULL,
	    "Perform random operations on a design, and check its heap after each of them.", NULL,
	    NULL, NULL};

	options_parse(&argp, argc, argv, &r);
	if (r.shrink_s > 0)
		r.failed = lesson_tell;
	return torture_print(&r);
}
