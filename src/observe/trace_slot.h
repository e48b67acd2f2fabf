/* trace_slot.h - encodes the sides of a slot into columns; the caller holds the slot's lock.
 *
 * The recorded process and dmm record both do it, each with columns of its own memory over the
 * slot's bytes: trace_tape.h.  Nothing here allocates or calls the system.
 */
#ifndef OBSERVE_TRACE_SLOT_H
#define OBSERVE_TRACE_SLOT_H

#include "observe/trace_tape.h"

struct slot_worker {
	struct tape_slot *slot;
	struct trace_columns *columns;
	enum trace_stacks stacks;
	enum tape_encoder who;
};

/* Between these two, a reader of T.tape waits; or, if we died there, believes slot.current. */
void slot_begin_change(struct tape_slot *s);
void slot_end_change(struct tape_slot *s);
/* Continue what the slot's columns hold.  True: the other process filled them, and they have to be
 * written before anything is added. */
bool slot_adopt(struct slot_worker *w);
struct trace_block_info slot_info(const struct slot_worker *w);
/* Encode the oldest side of the queue.  False: there is none, or the slot is damaged. */
bool slot_encode_side(struct slot_worker *w);
/* Encode all that is noted, also on the current side, which its owner may go on filling.  False:
 * the columns have to be written before more goes in. */
bool slot_encode_all(struct slot_worker *w);
/* Has the next side to wait until the columns are written? */
bool slot_is_full(const struct slot_worker *w);
/* The columns are in the recording. */
void slot_emptied(struct slot_worker *w);
/* Another thread begins, with nothing noted, at the first event of the current side. */
void slot_restart(struct slot_worker *w);

#endif
