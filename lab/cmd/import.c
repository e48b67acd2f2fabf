/* import.c - dmm import: converts the recordings of other tools. */
#include <argp.h>

#include "cli/lab.h"
#include "cmd/commands.h"
#include "import/convert.h"

enum { KEY_FROM = OPTION_OWN, KEY_SCRUB };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char *names[16] = {NULL};
	struct import_order *const r = state->input;

	switch (key) {
	case KEY_FROM:
		for (size_t i = 0; import_formats[i] != NULL; i++)
			names[i] = import_formats[i]->name;
		r->format = import_formats[option_choice("from", arg, names)];
		break;
	case KEY_SCRUB:
		r->scrub = true;
		break;
	case 'o':
		r->output = arg;
		break;
	case ARGP_KEY_ARG:
		option_operand(&r->path, arg, "file");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_import(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"from", KEY_FROM, "rep|android|mtrace|heaptrack|proto", 0,
		"The format; without it, the first line tells", 0},
	    {"output", 'o', "T", 0, "Write the recording to T (dmm.trace)", 0},
	    {"scrub", KEY_SCRUB, NULL, 0, "Leave out command lines and paths", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "FILE",
	    .doc = "Convert the recording of another tool: a malloc lab's .rep, Android's "
	           "malloc_debug and memory_replay, glibc's mtrace, heaptrack, malloc-bench's "
	           ".trace.  FILE may be packed with gzip, zstd, xz, bzip2 or zip; - is stdin."};
	struct import_order r = {.output = "dmm.trace"};

	options_parse(&argp, argc, argv, &r);
	if (r.path == NULL)
		lab_die(EXIT_USAGE, "no file is given: dmm import -o T FILE");
	return import_convert(&r);
}
