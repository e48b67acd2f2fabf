/* report.c - dmm report: a recording as one page, to be opened in any browser. */
#include <argp.h>

#include "cmd/commands.h"
#include "cli/lab.h"
#include "report/page.h"

enum { KEY_SYSTEMS = OPTION_OWN, KEY_LIMIT, KEY_PEERS, KEY_RUNS, KEY_WARM, KEY_TIMEOUT, KEY_STUDY };

struct report_request {
	const char *path, *output, *systems;
	double limit_s;
	struct report_plan plan; /* runs SIZE_MAX: not said */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report_request *const q = state->input;

	switch (key) {
	case 'o':
		q->output = arg;
		break;
	case KEY_SYSTEMS:
		q->systems = arg;
		break;
	case KEY_STUDY:
		q->systems = REPORT_STUDY;
		break;
	case KEY_LIMIT:
		q->limit_s = option_seconds("limit", arg);
		break;
	case KEY_PEERS:
		q->plan.peers = arg;
		break;
	case KEY_RUNS:
		q->plan.runs = option_count("runs", arg, 0);
		if (q->plan.runs > STATS_RUNS_MAX)
			lab_die(EXIT_USAGE, "--runs=%s: at most %d", arg, STATS_RUNS_MAX);
		break;
	case KEY_WARM:
		q->plan.warm = option_bytes("warm", arg);
		break;
	case KEY_TIMEOUT:
		q->plan.timeout_s = option_seconds("timeout", arg);
		break;
	case ARGP_KEY_ARG:
		option_operand(&q->path, arg, "recording");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_report(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"output", 'o', "F.html", 0, "Write the page to this file", 0},
	    {"systems", KEY_SYSTEMS, "LIST", 0,
		"The designs, with settings if wanted: bins,gnu?reuse:links (slab,gnu)", 0},
	    {"study", KEY_STUDY, NULL, 0, "Also designs for study: " REPORT_STUDY, 0},
	    {"peers", KEY_PEERS, "auto|none|P,..", 0,
		"The other allocators to measure (auto: all that are installed), also "
		    "NAME=PATH.so", 0},
	    {"runs", KEY_RUNS, "N", 0,
		"Time this many runs of each on real memory (6, or 0 above 10 million calls; 0: "
		    "do not measure)", 0},
	    {"warm", KEY_WARM, "BYTES", 0,
	        "Touch and free this much memory before each run (as dmm replay)", 0},
	    {"timeout", KEY_TIMEOUT, "S", 0,
	        "Stop a run after this many seconds (20 times glibc's)", 0},
	    {"limit", KEY_LIMIT, "S", 0,
	        "Give up the model of a design after this many CPU seconds (600)", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T -o F.html",
	    .doc = "Make a page from a recording: the heap of several designs over time, which "
	           "functions allocate, and which keep memory.  The page is one file of at most "
	           "8 MiB and opens in any browser.\vdocs/manual/report.md explains each "
	           "picture."};
	struct report_request q = {.limit_s = REPORT_LIMIT_S, .systems = REPORT_SYSTEMS,
	    .plan = {.peers = "auto", .runs = SIZE_MAX, .warm = SIZE_MAX}};

	options_parse(&argp, argc, argv, &q);
	if (q.path == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm report T -o F.html");
	if (q.output == NULL)
		lab_die(EXIT_USAGE, "no page is named: dmm report %s -o F.html", q.path);
	const int status = report_make(&(struct report_order){.path = q.path, .output = q.output,
	    .systems = q.systems,
	    .limit_s = q.limit_s, .plan = q.plan});
	lab_next(NULL, "xdg-open %s", lab_quoted(q.output));
	return status;
}
