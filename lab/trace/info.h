/* info.h - what is in a recording, read once from end to end.
 *
 * Memory: the objects that are live, the call sites, one block a thread; never the events.
 */
#ifndef LAB_TRACE_INFO_H
#define LAB_TRACE_INFO_H

#include "cli/lab.h"
#include "trace/family.h"
#include "trace/sites.h"
#include "trace/stream.h"

enum { INFO_VALUE_LEN = 512, INFO_FRAMES = 12 /* of a stack, as text */ };

struct info {
	const char *path;
	enum format format;
	size_t top;
	struct trace_file file;
	struct trace_stream stream;
	uint64_t calls[TRACE_OPS], failed, bytes_asked, allocs;
	uint64_t peak_tick, seen_peak, last_tick;
	uint32_t threads;
	bool wrapped; /* of some sites only wrappers are known */
	bool timeless; /* an import without times: ticks only count events */
	struct sites sites;
	struct family family;
};

/* A number of the recording's end, e.g. "lost"; 0: it has none. */
uint64_t info_end_value(const struct info *i, const char *key);
/* The names of the call sites, after those that are shown alike were made one: as text by their
 * first INFO_FRAMES frames, as JSON by all.  NULL: no memory. */
struct symbols *info_symbols(struct info *i);
/* How long an object of the site lived on average, in seconds; NaN: not known. */
double info_mean_life(const struct info *i, const struct site *s);

/* Read the recording at i->path; path, format and top are set, all else is 0.  False: *e says why
 * not. */
bool info_read(struct info *i, struct trace_error *e);
void info_close(struct info *i);

void info_json(struct info *i); /* to stdout */
/* Read the recording, print it in its format, and close it.  Returns the exit status. */
int info_print(struct info *i);

#endif
