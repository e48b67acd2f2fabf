/* diff.c - dmm diff: what changed between two recordings. */
#include <argp.h>
#include <stdlib.h>

#include "budget/diff.h"
#include "cmd/commands.h"
#include "report/compare.h"
#include "report/diff.h"

enum { KEY_BY = OPTION_OWN, KEY_TOP, KEY_ANY, KEY_TO, KEY_PAGE };

struct diff_request {
	const char *before, *after, *page;
	enum quantity by;
	enum format format;
	size_t top;
	bool any, folded;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const measures[] = {"calls", "asked", "peak", "mean", "end", NULL};
	static const char *const forms[] = {"folded", NULL};
	struct diff_request *const r = state->input;

	switch (key) {
	case KEY_BY:
		r->by = (enum quantity)option_choice("by", arg, measures);
		break;
	case KEY_TOP:
		r->top = option_count("top", arg, 1);
		break;
	case KEY_ANY:
		r->any = true;
		break;
	case KEY_PAGE:
		r->page = arg;
		report_check_output(arg);
		break;
	case KEY_TO:
		option_choice("to", arg, forms);
		r->folded = true;
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARG:
		if (r->after != NULL)
			lab_die(EXIT_USAGE,
			    "diff takes two sides, and got '%s' as well; several recordings of "
			    "one side stand in one word, with commas", arg);
		*(r->before == NULL ? &r->before : &r->after) = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_diff(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"by", KEY_BY, "calls|asked|peak|mean|end", 0,
	        "The figure to compare: allocations, bytes asked for, or bytes live at the "
	        "program's peak, on average, or at its end (peak)", 0},
	    {"top", KEY_TOP, "N", 0, "Show this many call sites and sizes (10)", 0},
	    {"any", KEY_ANY, NULL, 0, "Compare recordings of different programs, too", 0},
	    {"to", KEY_TO, "folded", 0,
	        "Print one line for each call site: frames, before, after; for differential "
	        "flame graphs", 0},
	    {"page", KEY_PAGE, "FILE", 0, "Also write the comparison as an HTML page", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "BEFORE[,BEFORE..] AFTER[,AFTER..]",
	    .doc = "Compare two recordings of a program, by call site and by size.\v"
	           "With three or more recordings on each side, dmm measures by how much the runs "
	           "of one side differ among themselves, and names only greater differences.  "
	           "Exit status 1: something differs."};
	static struct diff d;
	struct diff_request r = {.by = MEASURE_PEAK, .top = 10};

	options_parse(&argp, argc, argv, &r);
	if (r.after == NULL)
		lab_die(EXIT_USAGE, "two recordings are needed: dmm diff BEFORE AFTER");
	if (r.format == FORMAT_CSV)
		lab_die(EXIT_USAGE, "diff has no CSV; --format=json has all of it");
	diff_open(&d, r.before, r.after, r.by, r.any);
	if (r.page != NULL)
		report_diff(&d, r.page);
	if (r.folded)
		diff_folded(&d, stdout);
	else if (r.format == FORMAT_JSON)
		diff_json(&d, stdout);
	else
		diff_text(&d, r.top, stdout);
	const bool found = diff_found(&d);
	lab_next(NULL, "dmm advise %s", lab_quoted(d.b.run[0].path));
	diff_close(&d);
	return found ? EXIT_FAULT : EXIT_FINE;
}
