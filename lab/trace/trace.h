/* trace.h - reading and writing recordings (docs/design/recording-format.md).
 *
 *   trace_file     heads of all blocks: an index by time, 40 bytes a block
 *   trace_block    one block of events, unpacked: a cursor over its columns
 *   trace_reader   all threads merged into the one global order
 *   trace_writer   events in global order in, a recording out (imports, generators)
 *
 * Errors: functions return false or -1 and leave one line in error.text, with the offset in the
 * file where it begins.  Memory: one unpacked block for each thread that is in the middle of one,
 * and the index; at most TRACE_OPEN_MAX bytes of blocks, or the recording is refused.
 */
#ifndef LAB_TRACE_TRACE_H
#define LAB_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "observe/trace_encode.h"

#define TRACE_OPEN_MAX ((size_t)1 << 30)

struct trace_error {
	char text[512];
};

/* What is wrong is not in the file's bytes: the text says no offset. */
#define TRACE_NOWHERE UINT64_MAX
__attribute__((format(printf, 3, 4))) bool trace_fail(struct trace_error *e, uint64_t offset,
    const char *format, ...); /* false, always */

/* ---- a file and its blocks ------------------------------------------------------------------ */

struct trace_index {
	uint64_t offset; /* of the block head */
	uint64_t first_tick, last_tick;
	uint32_t thread, events;
	uint32_t packed_len, raw_len;
};

struct trace_file {
	int fd;
	const char *path;
	uint64_t len;
	struct trace_file_head head;
	struct trace_index *blocks; /* of events, by first tick */
	size_t count, cap;
	uint64_t events;
	bool begun;          /* there is more than META: its T.tape was complete by then */
	bool ended;          /* there is an END block: the process ended in order */
	/* when it was written; 0: there is none.  The last call may be long before */
	uint64_t end_tick;
	uint64_t sound_len;  /* bytes up to the first damage; == len if there is none */
	/* why the rest, or T.tape, cannot be read; empty text: everything was read */
	struct trace_error damage;
	bool tape_stays, tape_cut; /* as of struct trace_tape */
	double ns_per_tick;
	uint64_t late_tick, late_ns; /* the latest moment that is known by both clocks */
	uint64_t peak_anon_kib;
	size_t unpacked_bytes; /* of blocks now open */
	/* blocks that its process had not yet written (T.tape): the last bytes of len */
	unsigned char *tail;
	size_t tail_len, tail_cap;
	bool running;          /* its process lives, and may write more */
};

/* Read the heads.  A torn last block (a killed program) is no failure: see sound_len and damage.
 * False: not a recording, or another version. */
bool trace_file_open(struct trace_file *f, const char *path, struct trace_error *e);
void trace_file_close(struct trace_file *f);

/* Append to the recording what its process left in PATH.tape when it was killed, and remove that
 * file. */
enum trace_settled {
	TRACE_SETTLED,   /* done, or there was nothing to do; *e: what was lost, or no text */
	TRACE_RUNNING,   /* its process lives: nothing was changed */
	TRACE_UNSETTLED, /* *e says why; both files are as they were */
	/* T.tape stays, and *e says why: it has something else or another format, or T is damaged,
	 * so that nothing that comes behind the damage could be read */
	TRACE_REFUSED,
};
enum trace_settled trace_settle(const char *path, struct trace_error *e);

/* Nanoseconds since the start of the recording. */
uint64_t trace_file_ns(const struct trace_file *f, uint64_t tick);

/* Call visit with each text block of a kind, as a zero-terminated string.  False: damaged. */
typedef void trace_visit_text(void *arg, const char *text, size_t len);
bool trace_file_texts(const struct trace_file *f, enum trace_kind kind, trace_visit_text *visit,
    void *arg, struct trace_error *e);
/* The value of key in the blocks of a kind (META, END), copied to buf; false: there is none. */
bool trace_file_value(const struct trace_file *f, enum trace_kind kind, const char *key, char *buf,
    size_t cap);

/* The signal that ended the process, as 'dmm record' saw it; 0: none, or it saw nothing. */
int trace_file_signal(const struct trace_file *f);
/* Append a block of text to the recording of a process that has ended. */
bool trace_append_text(const char *path, enum trace_kind kind, const char *text,
    struct trace_error *e);

/* ---- events --------------------------------------------------------------------------------- */

struct trace_event {
	uint64_t tick;
	uint64_t addr;   /* what the call gave or freed; 0: it failed */
	uint64_t old;    /* realloc: what it was given */
	uint64_t size;   /* bytes asked for */
	uint32_t thread; /* serial number */
	uint32_t stack;  /* innermost node in trace_reader_node(), 0: none */
	uint8_t op;      /* enum trace_op */
	uint8_t class;   /* its trace_class[] */
	uint8_t align_log2; /* 0: none asked */
	bool begin; /* the first half of a realloc that moved: from here on others may get `old` */
};

extern const char *const trace_op_name[TRACE_OPS]; /* "malloc", "delete[] sized", ... */

struct trace_node {
	uint64_t addr;
	uint32_t parent;
};

struct trace_reader;

/* The reader borrows f.  NULL: no memory. */
struct trace_reader *trace_reader_open(struct trace_file *f);
/* 1: *ev is the next event; 0: there is none; -1: damaged, *e says where. */
int trace_reader_next(struct trace_reader *r, struct trace_event *ev, struct trace_error *e);
/* Interned over the whole recording: equal stacks have equal numbers.  0 < node <= count. */
const struct trace_node *trace_reader_node(const struct trace_reader *r, uint32_t node);
uint32_t trace_reader_nodes(const struct trace_reader *r);
/* Ask for stacks to be interned at all; off, every event has stack 0. */
void trace_reader_want_stacks(struct trace_reader *r, bool want);
void trace_reader_close(struct trace_reader *r);

/* ---- writing -------------------------------------------------------------------------------- */

struct trace_writer;

/* head: pid, stacks, flags, start_*; the rest is filled in.  NULL: *e says why. */
struct trace_writer *trace_writer_open(const char *path, const struct trace_file_head *head,
    struct trace_error *e);
/* Ticks must not fall.  frames: NULL, or `depth` addresses, innermost first. */
void trace_writer_event(struct trace_writer *w, const struct trace_event *ev,
    const uint64_t *frames,
    size_t depth);
void trace_writer_text(struct trace_writer *w, enum trace_kind kind, const char *text, size_t len);
/* Has anything failed so far?  What, trace_writer_close() tells. */
bool trace_writer_failed(const struct trace_writer *w);
/* Flush, write END and close.  False: something could not be written, *e says what. */
bool trace_writer_close(struct trace_writer *w, struct trace_error *e);

#endif
