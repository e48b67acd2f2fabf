/* trace_slot.c - see trace_slot.h. */
#include "observe/trace_slot.h"

#include <string.h>

void slot_begin_change(struct tape_slot *s)
{
	atomic_fetch_add_explicit(&s->changes, 1, memory_order_acq_rel);
}

void slot_end_change(struct tape_slot *s)
{
	atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
}

static struct tape_state *now(const struct slot_worker *w)
{
	return &w->slot->state[w->slot->current & 1];
}

/* What is in the columns, and how many of the raw events are, by one store. */
static void commit(struct slot_worker *w, uint32_t done, uint32_t raw_done)
{
	struct tape_slot *const s = w->slot;
	const uint32_t other = !(s->current & 1);

	trace_columns_save(w->columns, &s->state[other].columns);
	s->state[other].done = done;
	s->state[other].raw_done = raw_done;
	atomic_store_explicit(&s->current, other, memory_order_release);
	atomic_store_explicit(&s->done, done, memory_order_release);
}

bool slot_adopt(struct slot_worker *w)
{
	if (w->slot->encoder == w->who)
		return false;
	struct trace_columns_state filled; /* a copy: the program may change it meanwhile */
	memcpy(&filled, &now(w)->columns, sizeof filled);
	atomic_signal_fence(memory_order_seq_cst);
	if (!trace_columns_restore(w->columns, &filled))
		trace_columns_continue(w->columns, filled.last_tick);
	const bool some = trace_columns_events(w->columns) != 0;
	if (!some) /* else once they are written: nothing may be added before */
		w->slot->encoder = w->who;
	return some;
}

struct trace_block_info slot_info(const struct slot_worker *w)
{
	const size_t cap = frames_cap(w->stacks), len = w->slot->frames_len;

	return (struct trace_block_info){.thread = w->slot->serial, .stacks = w->stacks,
	    .frames = tape_slot_frames(w->slot, w->stacks), .frames_len = len <= cap ? len : 0};
}

/* False: the queue holds more than its sides can be. */
static bool sound_queue(const struct slot_worker *w, uint32_t handed)
{
	return handed - now(w)->done <= TAPE_SIDES;
}

bool slot_encode_side(struct slot_worker *w)
{
	const struct trace_block_info info = slot_info(w);
	const uint32_t done = now(w)->done;
	size_t n;

	const uint32_t handed = atomic_load_explicit(&w->slot->handed, memory_order_acquire);
	if (handed == done || !sound_queue(w, handed))
		return false;
	const struct trace_raw *const raw = tape_slot_queued(w->slot, done, &n);
	if (raw == NULL)
		return false;
	trace_columns_add(w->columns, &info, raw, n);
	commit(w, done + 1, 0);
	return true;
}

bool slot_encode_all(struct slot_worker *w)
{
	struct tape_slot *const s = w->slot;
	const struct trace_block_info info = slot_info(w);

	for (;;) {
		if (slot_is_full(w))
			return false;
		if (slot_encode_side(w))
			continue;
		const uint32_t done = now(w)->done;
		struct trace_raw *const next =
		    atomic_load_explicit(&s->next, memory_order_acquire);
		const uint32_t handed = atomic_load_explicit(&s->handed, memory_order_acquire);
		size_t n;
		if (handed != done) { /* meanwhile */
			if (!sound_queue(w, handed) || tape_slot_queued(s, done, &n) == NULL)
				return true;
			continue;
		}
		const struct trace_raw *const raw = tape_slot_current(s, next, handed, &n);
		if (raw != NULL) {
			trace_columns_add(w->columns, &info, raw, n);
			commit(w, done, now(w)->raw_done + (uint32_t)n);
		}
		return true;
	}
}

bool slot_is_full(const struct slot_worker *w)
{
	return !trace_columns_have_room(w->columns, TAPE_EVENTS);
}

void slot_emptied(struct slot_worker *w)
{
	trace_columns_clear(w->columns);
	w->slot->encoder = w->who;
	commit(w, now(w)->done, now(w)->raw_done);
}

void slot_restart(struct slot_worker *w)
{
	struct tape_slot *const s = w->slot;
	uint32_t used;
	const uint32_t side = tape_slot_side(s, s->next, &used);

	if (side < TAPE_SIDES)
		atomic_store_explicit(&s->next, s->next - used, memory_order_release);
	trace_columns_continue(w->columns, 0);
	s->encoder = w->who;
	commit(w, s->handed, 0);
}
