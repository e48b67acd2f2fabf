/* compare.c - dmm compare: which allocator is best for this program? */
#include <argp.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "compare/compare.h"
#include "report/compare.h"
#include "run/prefault.h"

enum {
	KEY_SYSTEMS = OPTION_OWN,
	KEY_PEERS,
	KEY_RUNS,
	KEY_TIMEOUT,
	KEY_THP,
	KEY_WARM,
	KEY_IDLE,
	KEY_CHECK_OUTPUT,
	KEY_BY,
	KEY_SERVER,
	KEY_DRIVE,
	KEY_REPORT,
};

static const struct argp_option options[] = {
    {"systems", KEY_SYSTEMS, "S,..", 0,
        "The designs to run (all that are built; none), or NAME=PATH.so[?VAR=VALUE&..]", 0},
    {"peers", KEY_PEERS, "auto|none|P,..", 0,
        "The other allocators to run (auto: all that are installed), or "
        "NAME=PATH.so[?VAR=VALUE&..]", 0},
    {"runs", KEY_RUNS, "N", 0,
        "Run the program this often on each (6, the fewest that give 95 % intervals)", 0},
    {"timeout", KEY_TIMEOUT, "S", 0,
        "Stop a run after this many seconds (20 times glibc's, at least 10)", 0},
    {"thp", KEY_THP, "as-is|off|both", 0,
        "Run with transparent huge pages as the system has them, off, or both (as-is)", 0},
    {"warm", KEY_WARM, "BYTES", 0,
        "Touch and free this much memory before each run (1G; 0: none)", 0},
    {"idle", KEY_IDLE, "S", 0,
        "Sleep this long before each run, and then warm nothing unless --warm is given: on a "
        "virtual machine whose host takes free memory back, the program meets cold memory", 0},
    {"check-output", KEY_CHECK_OUTPUT, NULL, 0,
        "Require the same standard output as under glibc", 0},
    {"by", KEY_BY, "trade|time|cpu|peak|mean|end", 0,
        "The figure that decides (trade): time, and as much again the average of the three "
        "memories; time; user + system time, which a busy machine disturbs less; or resident "
        "memory at its peak, on average, or just before the end", 0},
    {"server", KEY_SERVER, NULL, 0, "PROGRAM is a server: start it, drive it, stop it", 0},
    {"drive", KEY_DRIVE, "CMD", 0, "The shell command that drives the server", 0},
    {"report", KEY_REPORT, "F.html", 0,
        "Also write a page with this table and the heap of one more run, which is recorded", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static void add_list(const char **lists, size_t *count, const char *arg)
{
	if (*count == COMPARE_LISTS_MAX)
		lab_die(EXIT_USAGE, "more than %d lists of names; write one, with commas",
		    COMPARE_LISTS_MAX);
	lists[(*count)++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const modes[] = {"as-is", "off", "both", NULL};
	static const char *const figures[] = {"trade", "time", "cpu", "peak", "mean", "end", NULL};
	struct compare_order *const r = state->input;

	switch (key) {
	case KEY_SYSTEMS:
		add_list(r->systems, &r->systems_lists, arg);
		break;
	case KEY_PEERS:
		add_list(r->peers, &r->peers_lists, arg);
		break;
	case KEY_RUNS:
		r->c.runs = option_count("runs", arg, 1);
		if (r->c.runs > STATS_RUNS_MAX)
			lab_die(EXIT_USAGE, "--runs=%s: at most %d", arg, STATS_RUNS_MAX);
		break;
	case KEY_TIMEOUT:
		r->c.timeout_s = option_seconds("timeout", arg);
		break;
	case KEY_THP:
		r->c.huge_pages = (enum huge_pages)option_choice("thp", arg, modes);
		break;
	case KEY_WARM:
		r->c.warm = option_bytes("warm", arg);
		break;
	case KEY_IDLE:
		r->c.idle_s = option_seconds("idle", arg);
		break;
	case KEY_CHECK_OUTPUT:
		r->c.check_output = true;
		break;
	case KEY_BY:
		r->c.by = (enum compare_by)option_choice("by", arg, figures);
		break;
	case KEY_SERVER:
		r->server = true;
		break;
	case KEY_DRIVE:
		r->c.drive = arg;
		break;
	case KEY_REPORT:
		r->report = arg;
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARGS:
		r->c.command = state->argv + state->next;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_compare(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "-- PROGRAM [ARG...]",
	    .doc = "Run a program on every design and on other allocators in turn, and say "
	           "which is best for it.  glibc runs twice: the difference between its two "
	           "rows is the noise.\vIf standard input is a file or a pipe with data, every "
	           "run reads it from its beginning.  A run that takes longer than --timeout is "
	           "'too slow' in the table.  Exit status 1: an allocator was not loaded, crashed, "
	           "or changed "
	           "what the program did."};
	static struct compare_order r = {.c = {.runs = STATS_RUNS_FOR_95, .warm = SIZE_MAX}};

	options_parse(&argp, argc, argv, &r);
	if (r.c.warm == SIZE_MAX)
		r.c.warm = r.c.idle_s > 0 ? 0 : WARM_DEFAULT;
	compare_list(&r);
	if (r.report != NULL)
		report_check_output(r.report);
	r.page = r.report != NULL ? report_compare : NULL;
	return compare_print(&r);
}
