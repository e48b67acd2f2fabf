/* convert.c - converts a file of another tool into a recording, and reports what was lost. */
#include "import/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"
#include "cli/progress.h"
#include "cli/units.h"
#include "import/archive.h"

struct conversion {
	const struct import_order *order;
	struct import import;
	struct import_archive archive;
};

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

static void say_source(struct conversion *r)
{
	struct import *const im = &r->import;

	import_say(im, TRACE_META, "importer=dmm 1");
	if (im->scrub)
		import_say(im, TRACE_META, "source=%s", im->format->doc);
	else
		import_say(im, TRACE_META, "source=%s, %s%s%s%s", base_name(r->order->path),
		    im->format->doc, r->archive.member[0] != '\0' ? " (" : "", r->archive.member,
		    r->archive.member[0] != '\0' ? " of a zip)" : "");
	import_say(im, TRACE_META, "lost_in_import=%s", im->format->lost);
}

/* A file that failed to convert must not look like a recording, so it is removed; a device
 * stays. */
static void remove_output(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		unlink(path);
}

/* The recording of what could be read.  False: the input is damaged. */
static bool write_recording(struct conversion *r)
{
	struct import *const im = &r->import;
	struct trace_error e;
	const struct trace_file_head head = {.stacks = im->format->stacks, .tick_is_ns = 1,
	    .flags = im->scrub ? TRACE_SCRUBBED : 0};

	im->writer = trace_writer_open(r->order->output, &head, &e);
	if (im->writer == NULL)
		lab_die(EXIT_OURS, "%s: %s", r->order->output, e.text);
	say_source(r);
	progress_begin("importing calls");
	const bool fine = import_run(im);
	progress_end();
	import_say(im, TRACE_META, "clock=%s", im->timed ? "of the source" : "none");
	if (im->note[0] != '\0')
		import_say(im, TRACE_META, "note=%s", im->note);
	import_flush(im);
	if (!trace_writer_close(im->writer, &e)) {
		remove_output(r->order->output);
		lab_die(EXIT_OURS, "%s: %s", r->order->output, e.text);
	}
	return fine;
}

static int tell_tersely(const struct import *im, bool fine)
{
	if (!fine)
		lab_say("%s", im->error);
	else if (im->note[0] != '\0')
		lab_say("%s", im->note);
	return fine ? EXIT_FINE : EXIT_FAULT;
}

__attribute__((noreturn)) static void unreadable(const struct conversion *r)
{
	if (r->order->terse)
		lab_die(EXIT_FAULT, "%s", r->import.error);
	lab_die(EXIT_FAULT, "%s: %s", r->order->path, r->import.error);
}

static int tell(const struct conversion *r, bool fine)
{
	const struct import *const im = &r->import;
	char events[UNITS_LEN], bytes[UNITS_LEN];
	struct stat st = {0};

	if (r->order->terse)
		return tell_tersely(im, fine);
	if (!fine && im->events == 0) {
		remove_output(r->order->output);
		lab_say("%s: %s; there is no recording", r->order->path, im->error);
		return EXIT_FAULT;
	}
	stat(r->order->output, &st);
	lab_say("%s: %s event%s of %s in %s (%.1f bytes an event); lost: %s", r->order->output,
	    units_count(events, (double)im->events), im->events == 1 ? "" : "s", im->format->doc,
	    units_bytes(bytes, (double)st.st_size),
	    im->events != 0 ? (double)st.st_size / (double)im->events : 0.0, im->format->lost);
	if (im->note[0] != '\0')
		lab_say("%s: %s", r->order->path, im->note);
	if (!fine)
		lab_say("%s: %s; the recording holds the part before that", r->order->path,
		    im->error);
	else
		lab_next(NULL, "dmm info %s", lab_quoted(r->order->output));
	return fine ? EXIT_FINE : EXIT_FAULT;
}

int import_convert(const struct import_order *order)
{
	static struct conversion r;

	r = (struct conversion){
	    .order = order, .import = {.format = order->format, .scrub = order->scrub}};
	if (same_file(order->path, order->output))
		lab_die(EXIT_USAGE, "%s is the file to import: give -o another name",
		    order->output);
	if (!import_archive_open(&r.archive, order->path, r.import.error))
		unreadable(&r);
	if (!import_begin(&r.import, (struct import_source){import_archive_read, &r.archive}))
		lab_die(EXIT_OURS, "no memory");
	if (!import_choose(&r.import))
		unreadable(&r);
	const bool fine = write_recording(&r);
	if (fine && import_archive_has_more(&r.archive))
		import_note(&r.import, "only %s was imported: the zip holds more",
		    r.archive.member);
	const int status = tell(&r, fine);
	import_end(&r.import);
	import_archive_close(&r.archive);
	return status;
}
