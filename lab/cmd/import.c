/* import.c - dmm import: what other tools recorded, as a recording. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "import/archive.h"
#include "cli/lab.h"
#include "cli/units.h"

enum { KEY_FROM = OPTION_OWN, KEY_SCRUB };

struct request {
	const char *path, *output;
	struct import import;
	struct import_archive archive;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char *names[16] = {NULL};
	struct request *const r = state->input;

	switch (key) {
	case KEY_FROM:
		for (size_t i = 0; import_formats[i] != NULL; i++)
			names[i] = import_formats[i]->name;
		r->import.format = import_formats[option_choice("from", arg, names)];
		break;
	case KEY_SCRUB:
		r->import.scrub = true;
		break;
	case 'o':
		r->output = arg;
		break;
	case ARGP_KEY_ARG:
		if (r->path != NULL)
			return ARGP_ERR_UNKNOWN;
		r->path = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static const char *base_name(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static void say_source(struct request *r)
{
	struct import *const im = &r->import;

	import_say(im, TRACE_META, "importer=dmm 1");
	if (im->scrub)
		import_say(im, TRACE_META, "source=%s", im->format->doc);
	else
		import_say(im, TRACE_META, "source=%s, %s%s%s%s", base_name(r->path), im->format->doc,
		    r->archive.member[0] != '\0' ? " (" : "", r->archive.member,
		    r->archive.member[0] != '\0' ? " of a zip)" : "");
	import_say(im, TRACE_META, "lost_in_import=%s", im->format->lost);
}

/* What is no recording shall not look like one; a device stays. */
static void remove_output(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		unlink(path);
}

/* The recording of what could be read.  False: the input is damaged. */
static bool write_recording(struct request *r)
{
	struct import *const im = &r->import;
	struct trace_error e;
	const struct trace_file_head head = {.stacks = im->format->stacks, .tick_is_ns = 1,
	    .flags = im->scrub ? TRACE_SCRUBBED : 0};

	im->writer = trace_writer_open(r->output, &head, &e);
	if (im->writer == NULL)
		lab_die(EXIT_OURS, "%s: %s", r->output, e.text);
	say_source(r);
	const bool fine = import_run(im);
	import_say(im, TRACE_META, "clock=%s", im->timed ? "of the source" : "none");
	if (im->note[0] != '\0')
		import_say(im, TRACE_META, "note=%s", im->note);
	import_flush(im);
	if (!trace_writer_close(im->writer, &e)) {
		remove_output(r->output);
		lab_die(EXIT_OURS, "%s: %s", r->output, e.text);
	}
	return fine;
}

static int tell(const struct request *r, bool fine)
{
	const struct import *const im = &r->import;
	char events[UNITS_LEN], bytes[UNITS_LEN];
	struct stat st = {0};

	if (!fine && im->events == 0) {
		remove_output(r->output);
		lab_say("%s: %s; there is no recording", r->path, im->error);
		return EXIT_FAULT;
	}
	stat(r->output, &st);
	lab_say("%s: %s event%s of %s in %s (%.1f bytes an event); lost: %s", r->output,
	    units_count(events, (double)im->events), im->events == 1 ? "" : "s", im->format->doc,
	    units_bytes(bytes, (double)st.st_size),
	    im->events != 0 ? (double)st.st_size / (double)im->events : 0.0, im->format->lost);
	if (im->note[0] != '\0')
		lab_say("%s: %s", r->path, im->note);
	if (!fine)
		lab_say("%s: %s; the recording holds what comes before", r->path, im->error);
	else
		lab_next(NULL, "dmm info %s", r->output);
	return fine ? EXIT_FINE : EXIT_FAULT;
}

int cmd_import(int argc, char **argv)
{
	static const struct argp_option options[] = {
	    {"from", KEY_FROM, "rep|android|mtrace|heaptrack", 0,
		"The format; without it, the first line tells", 0},
	    {"output", 'o', "T", 0, "The recording (dmm.trace)", 0},
	    {"scrub", KEY_SCRUB, NULL, 0, "Leave command lines and paths out", 0},
	    {0}};
	static const struct argp argp = {.options = options,
	    .parser = parse,
	    .args_doc = "FILE",
	    .doc = "What another tool recorded, as a recording: a malloc lab's .rep, Android's malloc_debug and "
		"memory_replay, glibc's mtrace, heaptrack.  FILE may be packed with gzip, zstd, xz, bzip2 or zip; "
		"- is stdin."};
	static struct request r = {.output = "dmm.trace"};

	options_parse(&argp, argc, argv, &r);
	if (r.path == NULL)
		lab_die(EXIT_USAGE, "import what?  dmm import -o T FILE");
	if (same_file(r.path, r.output))
		lab_die(EXIT_USAGE, "%s is the file to import: -o names another", r.output);
	if (!import_archive_open(&r.archive, r.path, r.import.error))
		lab_die(EXIT_FAULT, "%s: %s", r.path, r.import.error);
	if (!import_begin(&r.import, (struct import_source){import_archive_read, &r.archive}))
		lab_die(EXIT_OURS, "no memory");
	if (!import_choose(&r.import))
		lab_die(EXIT_FAULT, "%s: %s", r.path, r.import.error);
	const bool fine = write_recording(&r);
	if (fine && import_archive_has_more(&r.archive))
		import_note(&r.import, "only %s was imported: the zip holds more", r.archive.member);
	const int status = tell(&r, fine);
	import_end(&r.import);
	import_archive_close(&r.archive);
	return status;
}
