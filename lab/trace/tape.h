/* tape.h - what a recorded process had noted and not yet written: from T.tape into the reader's
 * view of T.
 *
 * A process that was killed, crashed, or is still running leaves a T.tape (observe/trace_tape.h).
 * The reader makes blocks of it, in memory, behind those of the file; trace_tape_settle() appends
 * them to the file and removes T.tape.
 */
#ifndef LAB_TRACE_TAPE_H
#define LAB_TRACE_TAPE_H

#include "trace/trace.h"

struct trace_tape {
	const char *name; /* of the recording, without its folder: a part of the path given */
	unsigned char *image; /* copy of T.tape, slot by slot consistent; NULL: there is none */
	size_t len;
	bool running; /* the process may still write */
	bool stays;   /* the file has, or may have, what this dmm cannot read */
	/* It is empty, or of a tape's length, and its head is zeros: the process was making the
	 * file, or somebody emptied it. */
	bool blank;
	bool cut;     /* it lost what its process had noted */
	struct trace_error problem; /* a sentence about that; empty: everything was read */
};

/* Copy PATH.tape.  To be called before the length of PATH is looked at: what the process writes in
 * between is then in both, and not in neither. */
bool trace_tape_copy(struct trace_tape *t, const char *path);
/* Somebody made the file shorter, or wrote over it: says so in t->problem. */
void trace_tape_note_cut(struct trace_tape *t);
/* The blocks that f lacks, appended to f->tail. */
bool trace_tape_blocks(struct trace_tape *t, struct trace_file *f, struct trace_error *e);
void trace_tape_free(struct trace_tape *t);

#endif
