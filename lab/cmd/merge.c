/* merge.c - dmm merge: the results of a sweep as one table a recording. */
#include <argp.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "sweep/merge.h"

enum { KEY_JOBS = OPTION_OWN };

struct merge_request {
	struct merge_order order;
	size_t files;
};

static const struct argp_option options[] = {
    {"jobs", KEY_JOBS, "FILE", 0, "The plan: report which of its cells have no result yet", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct merge_request *const r = state->input;

	switch (key) {
	case OPTION_FORMAT:
		r->order.format = option_format(arg);
		break;
	case KEY_JOBS:
		r->order.jobs = arg;
		break;
	case ARGP_KEY_ARG:
		if (r->order.files == NULL)
			r->order.files = calloc((size_t)state->argc + 1, sizeof(char *));
		CHECK(r->order.files != NULL);
		r->order.files[r->files++] = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_merge(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "RESULT.json...",
	    .doc = "Make one table for each recording of the results of dmm sweep's cells: ratios "
	           "to glibc in the same cell, their intervals over the repeats, a verdict, and "
	           "the memory that designs need.  Times are ratios multiplied by the median of "
	           "glibc's times.\vExit status 1: an allocator crashed, was not loaded or refused "
	           "memory, a result could not be read, or (--jobs) a result is missing."};
	static struct merge_request r;

	options_parse(&argp, argc, argv, &r);
	if (r.order.files == NULL)
		lab_die(EXIT_USAGE, "no result is given: dmm merge results/*.json");
	return merge_print(&r.order);
}
