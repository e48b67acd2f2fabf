/* compare.c - dmm compare: which allocator is best for this program? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "compare/compare.h"
#include "cli/lab.h"
#include "report/compare.h"
#include "run/prefault.h"

enum {
	KEY_SYSTEMS = OPTION_OWN,
	KEY_PEERS,
	KEY_RUNS,
	KEY_TIMEOUT,
	KEY_THP,
	KEY_WARM,
	KEY_CHECK_OUTPUT,
	KEY_BY,
	KEY_SERVER,
	KEY_DRIVE,
	KEY_REPORT,
};

enum { LISTS_MAX = 16, ARGS_MAX = 256 /* words of a command that are told again */ };

struct request {
	struct compare c;
	enum format format;
	bool server;
	const char *report; /* a page to write; NULL: none */
	const char *systems[LISTS_MAX], *peers[LISTS_MAX];
	size_t systems_lists, peers_lists;
};

static const struct argp_option options[] = {
    {"systems", KEY_SYSTEMS, "S,..", 0,
        "Designs to run (all that are built; none), also NAME=PATH.so[?VAR=VALUE&..]", 0},
    {"peers", KEY_PEERS, "auto|none|P,..", 0,
        "Other allocators (auto: those installed), also NAME=PATH.so[?VAR=VALUE&..]", 0},
    {"runs", KEY_RUNS, "N", 0, "Runs of each (6, the fewest that give 95 % intervals)", 0},
    {"timeout", KEY_TIMEOUT, "S", 0,
        "Seconds after which a run is stopped (20 times glibc's, at least 10)",
        0},
    {"thp", KEY_THP, "as-is|off|both", 0, "Transparent huge pages (as-is)", 0},
    {"warm", KEY_WARM, "BYTES", 0, "Memory to touch and free before each run (1G; 0: none)", 0},
    {"check-output", KEY_CHECK_OUTPUT, NULL, 0, "Standard output must be the same as under glibc",
        0},
    {"by", KEY_BY, "trade|time|cpu|peak|mean|end", 0,
        "The figure that decides: trade, time on the clock times average memory; time alone; user "
        "+ system time, which a busy machine disturbs less; or resident memory at its peak, on "
        "average, or just before the end (trade)",
        0},
    {"server", KEY_SERVER, NULL, 0, "PROGRAM is a server: start it, drive it, stop it", 0},
    {"drive", KEY_DRIVE, "CMD", 0, "The shell command that drives the server", 0},
    {"report", KEY_REPORT, "F.html", 0,
        "Also write a page: this scoreboard, and the heap of the program, which one more run "
        "records", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static void add_list(const char **lists, size_t *count, const char *arg)
{
	if (*count == LISTS_MAX)
		lab_die(EXIT_USAGE, "more than %d lists of names; write one, with commas",
		    LISTS_MAX);
	lists[(*count)++] = arg;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const modes[] = {"as-is", "off", "both", NULL};
	static const char *const figures[] = {"trade", "time", "cpu", "peak", "mean", "end", NULL};
	struct request *const r = state->input;

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

static void check_request(const struct request *r)
{
	if (r->c.command == NULL)
		lab_die(EXIT_USAGE, "compare what?  dmm compare -- PROGRAM ARG...");
	if (r->server && r->c.drive == NULL)
		lab_die(EXIT_USAGE, "--server needs --drive=CMD, the command that drives it");
	if (!r->server && r->c.drive != NULL)
		lab_die(EXIT_USAGE, "--drive is for a server: add --server");

	char *const path = launch_path(r->c.command[0]);
	if (path == NULL)
		lab_die(errno == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND, "%s: %s",
		    r->c.command[0], errno == EACCES ? "not executable" : "command not found");
	const char *const base = strrchr(path, '/');
	if (base != NULL && strncmp(base + 1, "valgrind", 8) == 0)
		lab_die(EXIT_OURS, "valgrind brings its own malloc: nothing to compare under it");
	free(path);
}

/* A preloaded library of the user's would be in every row, and could be an allocator itself. */
static void clear_environment(void)
{
	const char *const preload = getenv("LD_PRELOAD");

	if (preload == NULL || preload[0] == '\0')
		return;
	if (strstr(preload, "vgpreload") != NULL)
		lab_say("valgrind runs this command: the programs that it starts are not under it");
	else
		lab_say("LD_PRELOAD=%s is left out of all runs", preload);
	unsetenv("LD_PRELOAD");
}

static void list_allocators(struct request *r)
{
	struct allocators *const list = &r->c.allocators;

	allocators_add_baseline(list, "glibc");
	allocators_add_baseline(list, "glibc-again");
	if (r->systems_lists == 0)
		allocators_add_systems(list, "all");
	for (size_t i = 0; i < r->systems_lists; i++)
		allocators_add_systems(list, r->systems[i]);
	if (r->peers_lists == 0)
		allocators_add_peers(list, "auto");
	for (size_t i = 0; i < r->peers_lists; i++)
		allocators_add_peers(list, r->peers[i]);
}

/* The same comparison again, with other options. */
static void tell_again(const struct compare *c, const char *options_text)
{
	char *drive = NULL;
	char *words[ARGS_MAX + 4] = {NULL};
	size_t n = 0;

	if (c->drive != NULL && asprintf(&drive, "--drive=%s", c->drive) >= 0) {
		words[n++] = (char *)"--server";
		words[n++] = drive;
	}
	words[n++] = (char *)"--";
	for (size_t i = 0; i < ARGS_MAX && c->command[i] != NULL; i++)
		words[n++] = c->command[i];
	lab_next(words, "dmm compare %s", options_text);
	free(drive);
}

/* What one would do with the answer: run on the best, or see for oneself what went wrong. */
static void tell_next(const struct compare *c)
{
	const struct row *const best = verdict_best(c, c->huge_pages == HUGE_OFF);

	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->outcome == OUTCOME_CRASHED && row->allocator->path != NULL) {
			lab_next(c->command, "dmm run --lib=%s --", row->allocator->path);
			return;
		}
	}
	if (c->row[c->rows - 1].proof.whole_program)
		lab_next(NULL, "dmm compare -- PROGRAM ARG...");
	else if (best == NULL)
		tell_again(c, "--runs=6");
	else if (best->allocator->kind == KIND_BASELINE)
		tell_again(c, "--thp=both --runs=12");
	else if (best->allocator->kind == KIND_SYSTEM && !best->allocator->own_path)
		lab_next(c->command, "dmm run --system=%s --stats --", best->allocator->name);
	else
		lab_next(c->command, "dmm run --lib=%s --stats --", best->allocator->path);
}

static void print(const struct request *r)
{
	switch (r->format) {
	case FORMAT_TEXT:
		compare_text(&r->c, stdout);
		break;
	case FORMAT_JSON:
		compare_json(&r->c, stdout);
		break;
	case FORMAT_CSV:
		compare_csv(&r->c, stdout);
	}
}

int cmd_compare(int argc, char **argv)
{
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "-- PROGRAM [ARG...]",
	    .doc = "Run a program on every design and on other allocators in turn, and say which "
	           "is best for it.  glibc runs twice: the difference of the two is the noise.\v"
	           "Standard input, if it is a file or a pipe with data, is given to every run "
	           "from its beginning.  A run that is too slow is shown as such; exit status 1 "
	           "means that an allocator was not loaded, crashed, or changed what the program "
	           "did."};
	static struct request r = {.c = {.runs = STATS_RUNS_FOR_95, .warm = WARM_DEFAULT}};

	options_parse(&argp, argc, argv, &r);
	list_allocators(&r); /* unknown names end it here, before anything runs */
	check_request(&r);
	if (r.report != NULL)
		report_check_output(r.report);
	clear_environment();
	compare_run(&r.c);
	print(&r);
	fflush(stdout);
	if (r.report != NULL)
		report_compare(&r.c, r.report);
	tell_next(&r.c);
	return verdict_has_fault(&r.c) ? EXIT_FAULT : EXIT_FINE;
}
