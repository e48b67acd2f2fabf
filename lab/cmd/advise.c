/* advise.c - dmm advise: which design, which settings, and why, in words. */
#include "cli/lab.h"
#include "cmd/commands.h"
#include "tune/advise.h"

enum { KEY_NO_TUNE = OPTION_OWN };

struct request {
	const char *path;
	bool quick;
	enum format format;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *const r = state->input;

	switch (key) {
	case KEY_NO_TUNE:
		r->quick = true;
		break;
	case OPTION_FORMAT:
		r->format = option_format(arg);
		break;
	case ARGP_KEY_ARG:
		if (r->path != NULL)
			lab_die(EXIT_USAGE, "advise takes one recording, and got '%s' as well", arg);
		r->path = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_advise(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"quick", KEY_NO_TUNE, NULL, 0, "Only designs as they come, without a search for settings", 0},
	    OPTION_FORMAT_LINE, {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "T",
	    .doc = "Say which design would serve a recorded program best, with which settings, and why.\v"
	           "Every design replays the recording in simulated memory. Memory and time count alike: what is "
	           "made small is peak footprint times the time of the whole run."};
	static struct tune_recording rec;
	static struct advice a;
	struct request r = {0};

	options_parse(&argp, argc, argv, &r);
	if (r.path == NULL)
		lab_die(EXIT_USAGE, "advise on what?  dmm advise T");
	tune_recordings_open(&rec, &r.path, 1);
	advise(&a, &rec, !r.quick);
	advice_print(&a, r.format);
	return EXIT_FINE;
}
