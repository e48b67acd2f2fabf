/* advise.c - dmm advise: which design, which settings, and why, in words. */
#include <argp.h>
#include <stdlib.h>

#include "allocators/conf_file.h"
#include "cli/lab.h"
#include "cmd/commands.h"
#include "slab/system.h"
#include "tune/advise.h"

enum { KEY_QUICK = OPTION_OWN, KEY_STUDY, KEY_CONF };

struct advise_request {
	const char *path;
	const char *conf; /* a file; NULL: none */
	bool study;
	enum format format;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct advise_request *const r = state->input;

	switch (key) {
	case KEY_QUICK: /* what advise always is since it leaves designs for study out */
		break;
	case KEY_STUDY:
		r->study = true;
		break;
	case KEY_CONF:
		r->conf = arg;
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARG:
		option_operand(&r->path, arg, "recording");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* The settings of --conf, which the caller frees; NULL: none are given. */
static char *read_conf(const char *from)
{
	struct subject slab;
	char why[256];

	if (from == NULL)
		return NULL;
	char *const conf = conf_read_file(from, &system_slab);
	if (!subject_make(&slab, &system_slab, conf, why, sizeof why) ||
	    !subject_simulable(&slab, why, sizeof why))
		lab_die(EXIT_USAGE, "%s: %s", from, why);
	return conf;
}

int cmd_advise(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"study", KEY_STUDY, NULL, 0,
	        "Also the lecture's designs, and settings of bins and gnu that a search finds", 0},
	    {"conf", KEY_CONF, "F", 0,
	        "Judge slab also with these settings: a file, such as dmm tune writes, or "
	        "key:value,... on the command line", 0},
	    {"quick", KEY_QUICK, NULL, OPTION_HIDDEN, "", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc =
	        "Say what is wrong with a recorded program's memory, by call site, and which "
	        "allocator would serve it better.\v"
	        "dmm advise first names growth, pinned pages, retained memory, oversized requests "
	        "and churn. Then it compares slab with the malloc that the program had: slab "
	        "with its defaults, and with settings by which it gives all free memory back at "
	        "once. All replay the recording in simulated memory, on the recording's clock. "
	        "It advises the one with the least product of average memory and time."};
	static struct tune_recording rec;
	static struct advice a;
	struct advise_request r = {0};

	options_parse(&argp, argc, argv, &r);
	if (r.path == NULL)
		lab_die(EXIT_USAGE, "no recording is given: dmm advise T");
	char *const conf = read_conf(r.conf);
	advise(&a, &rec, r.path, conf, r.study);
	advice_print(&a, r.format);
	free(conf);
	return EXIT_FINE;
}
