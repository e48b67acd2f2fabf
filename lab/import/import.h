/* import.h - the recordings of other tools, line by line into one of ours: what importers share.
 *
 *   input (plain, gzip, zstd, xz, zip) --> lines --> one importer --> trace_writer
 *
 * Memory: one line, the importer's objects that are live, and its tables of strings and stacks,
 * which together may take IMPORT_TABLES_MAX. Every error names its line.
 *
 * Order: the file's.  Ticks rise by at least one from event to event, so that no two tie.
 */
#ifndef LAB_IMPORT_IMPORT_H
#define LAB_IMPORT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "trace/trace.h"

enum { IMPORT_LINE_MAX = 1 << 20, IMPORT_ERROR_LEN = 256, IMPORT_NOTE_LEN = 512 };

#define IMPORT_TABLES_MAX ((size_t)1 << 30)
#define IMPORT_ADDRESS_MAX ((uint64_t)1 << 57) /* what the format can hold, exclusive */

struct import;

struct import_format {
	const char *name, *doc;
	const char *lost; /* what the other format does not say */
	enum trace_stacks stacks;
	bool (*is)(const char *line); /* could a file of this format begin like this? */
	/* Read everything.  False: im->error says why. */
	bool (*run)(struct import *im);
};

extern const struct import_format import_rep, import_android, import_mtrace, import_heaptrack,
    import_proto;
/* All of them; NULL ends the list. */
extern const struct import_format *const import_formats[];

/* Where bytes come from: the next piece, 0 at the end, -1 with a line in `error`. */
struct import_source {
	ssize_t (*read)(void *arg, const char **piece, char *error);
	void *arg;
};

struct import {
	const struct import_format *format;
	struct import_source source;
	struct trace_writer *writer;
	bool scrub;
	bool timed; /* something came with its time */
	char error[IMPORT_ERROR_LEN];
	char note[IMPORT_NOTE_LEN]; /* what the user should know of this file; "" if nothing */

	char *line; /* zero-terminated, without its end */
	size_t len;
	uint64_t number, events; /* of lines so far; of events written */
	uint64_t tick, top;      /* the last ones given out */
	size_t tables;           /* bytes in the importer's tables */

	char *buf; /* pieces of lines */
	const char *piece;
	size_t piece_len, held;
	bool again, cut; /* import_line gives the same line once more; the last line had no end */
	struct import_text *text;
};

/* False: no memory. */
bool import_begin(struct import *im, struct import_source source);
/* The one format that is not made of lines: could a file of it begin like this? */
bool import_begins_like_proto(const char *bytes, size_t len);
/* Choose the format by the first bytes or line, unless it is set.  False: im->error. */
bool import_choose(struct import *im);
/* Events into im->writer, then the texts that wait. */
bool import_run(struct import *im);
void import_end(struct import *im);

/* The next line into im->line.  False: the end, or im->error is not empty. */
bool import_line(struct import *im);
/* "line N: ..." into im->error; false, always. */
__attribute__((format(printf, 2, 3))) bool import_fail(struct import *im, const char *format, ...);
/* Cut the line into words at blanks.  Returns their number; more than `most`: most + 1. */
size_t import_words(struct import *im, char **word, size_t most);
/* word as a number below `limit`; base 16 may begin with 0x.  False: im->error. */
bool import_number(struct import *im, const char *word, unsigned base, uint64_t limit, uint64_t *x);
/* A tick for something at `ns` since the beginning (0: not known), above all before it. */
uint64_t import_tick(struct import *im, uint64_t ns);
/* An address for an object of which only the size is known: no two are the same. 0: im->error. */
uint64_t import_place(struct import *im, uint64_t size);
/* Write an event; its class is set from its op. */
void import_event(struct import *im, struct trace_event *ev, const uint64_t *frames, size_t depth);
/* A line of a text block. */
__attribute__((format(printf, 3, 4))) void import_say(struct import *im, enum trace_kind kind,
    const char *format, ...);
void import_flush(struct import *im); /* what import_say holds */
/* One more sentence in im->note. */
__attribute__((format(printf, 2, 3))) void import_note(struct import *im, const char *format, ...);
/* Room for `need` entries of `size` bytes in a table that grows by doubling; new ones are zero.
 * False: im->error; the table stays. */
bool import_room(struct import *im, void **table, size_t *cap, size_t need, size_t size);

/* A file that was mapped at address `base` (that of its first byte): lines of MAPS, from the file
 * as it is now. `relative`: base is where address 0 of the file's own terms lies (a load bias).
 * False: the file cannot be read. */
bool import_module(struct import *im, const char *path, uint64_t base, bool relative);

#endif
