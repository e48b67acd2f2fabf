/* stream.c - from addresses to objects.
 *
 * Invariants:
 *   S1 live      an object is in `live` from its ALLOC to its FREE, under its present address,
 *                or in `moving` between the two halves of a realloc
 *   S2 order     events of one thread go out in their order
 *   S3 payload   payload == the sum of sizes of `live` and `moving`
 */
#include "trace/stream.h"

#include <stdlib.h>
#include <string.h>

#include "cli/array.h"

enum { HOLD_TICKS = 500 }; /* of 16 cycles, 2 to 4 us: longer than any core looks ahead */

bool trace_stream_open(struct trace_stream *s, struct trace_file *f)
{
	memset(s, 0, sizeof *s);
	s->reader_state = 1;
	s->hold_ticks = f->head.tick_is_ns ? 0 : HOLD_TICKS;
	s->reader = trace_reader_open(f);
	if (s->reader != NULL && live_open(&s->live))
		return true;
	trace_stream_close(s);
	return false;
}

void trace_stream_close(struct trace_stream *s)
{
	if (s->reader != NULL)
		trace_reader_close(s->reader);
	live_close(&s->live);
	free(s->moving);
	s->moving = NULL;
	s->reader = NULL;
}

static void account(struct trace_stream *s, uint64_t more, uint64_t less)
{
	s->payload += more - less;
	if (s->payload > s->peak_payload)
		s->peak_payload = s->payload;
	if (s->live.count > s->peak_count)
		s->peak_count = s->live.count;
}

/* Enter addr; false: it contradicts what is live, or (step->object == NULL) there is no memory. */
static bool enter(struct trace_stream *s, struct step *step, uint64_t addr, bool force)
{
	const struct trace_event *const ev = &step->ev;
	const size_t before = s->live.count;
	struct live_object *const o = live_add(&s->live, addr);

	step->object = o;
	if (o == NULL)
		return false;
	if (s->live.count == before) {
		if (!force)
			return false;
		step->overlaid = true;
		step->dropped = *o;
		s->overlaid++;
		account(s, 0, o->size);
	}
	*o = (struct live_object){.addr = addr, .size = ev->size, .born = ev->tick,
	    .call = s->events + 1,
	    .stack = ev->stack,
	    .thread = ev->thread};
	account(s, ev->size, 0);
	return true;
}

static bool step_alloc(struct trace_stream *s, struct step *step, bool force)
{
	step->kind = STEP_ALLOC;
	return enter(s, step, step->ev.addr, force);
}

static bool step_free(struct trace_stream *s, struct step *step, uint64_t addr, bool force)
{
	struct live_object *const o = live_slot(&s->live, addr);

	step->object = NULL;
	if (o->addr == 0) {
		s->foreign += force;
		step->kind = STEP_FOREIGN;
		return force;
	}
	step->kind = STEP_FREE;
	step->was = *o;
	live_remove(&s->live, o);
	account(s, 0, step->was.size);
	return true;
}

static bool keep_moving(struct trace_stream *s, const struct live_object *o, uint32_t thread)
{
	if (!ARRAY_RESERVE(s->moving, s->moving_cap, s->moving_count + 1))
		return false;
	s->moving[s->moving_count] = *o;
	s->moving[s->moving_count++].thread = thread;
	return true;
}

static bool step_begin(struct trace_stream *s, struct step *step, bool force)
{
	struct live_object *const o = live_slot(&s->live, step->ev.old);

	step->object = NULL;
	step->kind = STEP_NONE;
	if (o->addr == 0) {
		s->foreign += force;
		return force;
	}
	if (!keep_moving(s, o, step->ev.thread))
		return false;
	live_remove(&s->live, o);
	return true;
}

static bool take_moving(struct trace_stream *s, uint32_t thread, struct live_object *o)
{
	for (size_t i = s->moving_count; i-- > 0;)
		if (s->moving[i].thread == thread) {
			*o = s->moving[i];
			s->moving[i] = s->moving[--s->moving_count];
			return true;
		}
	return false;
}

/* A moved object is never counted twice: a realloc that can stay in place needs no room for
 * both. */
static bool step_moved(struct trace_stream *s, struct step *step, bool force)
{
	const bool moves = take_moving(s, step->ev.thread, &step->was);

	s->payload -= moves ? step->was.size : 0;
	if (!enter(s, step, step->ev.addr, force)) {
		s->payload += moves ? step->was.size : 0;
		if (moves)
			s->moving[s->moving_count++] = step->was; /* where it was just taken from */
		return false;
	}
	step->kind = moves ? STEP_RESIZE : STEP_ALLOC;
	if (moves) {
		step->object->user = step->was.user;
		step->object->call = step->was.call;
	}
	return true;
}

static bool step_in_place(struct trace_stream *s, struct step *step, bool force)
{
	struct live_object *const o = live_slot(&s->live, step->ev.addr);

	step->object = o;
	if (o->addr == 0) {
		s->foreign += force;
		return force && step_alloc(s, step, force);
	}
	step->kind = STEP_RESIZE;
	step->was = *o;
	o->size = step->ev.size;
	o->stack = step->ev.stack;
	account(s, o->size, step->was.size);
	return true;
}

static bool step_realloc(struct trace_stream *s, struct step *step, bool force)
{
	const struct trace_event *const ev = &step->ev;

	if (ev->begin)
		return step_begin(s, step, force);
	if (ev->addr == 0 && (ev->old == 0 || ev->size != 0))
		return true; /* failed: the old object stays */
	if (ev->addr == 0)
		return step_free(s, step, ev->old, force);
	if (ev->old == 0)
		return step_alloc(s, step, force);
	return ev->old == ev->addr ? step_in_place(s, step, force) : step_moved(s, step, force);
}

/* Let ev happen.  False: not now (unless force), or no memory. */
static bool apply(struct trace_stream *s, struct step *step, bool force)
{
	const struct trace_event *const ev = &step->ev;

	step->kind = STEP_NONE;
	step->overlaid = false;
	step->object = NULL;
	if ((ev->class & TRACE_IS_REALLOC) != 0)
		return step_realloc(s, step, force);
	if (ev->addr == 0)
		return true;
	return (ev->class & TRACE_IS_FREE) != 0 ? step_free(s, step, ev->addr, force)
	                                        : step_alloc(s, step, force);
}

static void unhold(struct trace_stream *s, size_t i)
{
	s->held_count--;
	memmove(&s->held[i], &s->held[i + 1], (s->held_count - i) * sizeof s->held[0]);
}

static uint64_t thread_bit(uint32_t thread)
{
	return (uint64_t)1 << thread % 64;
}

static bool thread_waits(const struct trace_stream *s, uint32_t thread, size_t before)
{
	for (size_t i = 0; i < before; i++)
		if (s->held[i].thread == thread)
			return true;
	return false;
}

/* Has the missing event come for one that is held? */
static bool try_held(struct trace_stream *s, struct step *step)
{
	uint64_t waiting = 0; /* a bit for each thread so far: most need no search */

	for (size_t i = 0; i < s->held_count; i++) {
		const uint64_t bit = thread_bit(s->held[i].thread);
		if ((waiting & bit) != 0 && thread_waits(s, s->held[i].thread, i))
			continue;
		waiting |= bit;
		step->ev = s->held[i];
		if (apply(s, step, false)) {
			unhold(s, i);
			return true;
		}
	}
	return false;
}

static bool force(struct trace_stream *s, struct step *step)
{
	s->forced++;
	return apply(s, step, true);
}

static bool force_oldest(struct trace_stream *s, struct step *step)
{
	step->ev = s->held[0];
	unhold(s, 0);
	return force(s, step);
}

/* Read until the ring is full, and ask for the entries that the events will need. */
static void read_ahead(struct trace_stream *s, struct trace_error *e)
{
	while (s->ahead_count < STREAM_AHEAD && s->reader_state > 0) {
		struct trace_event *const ev =
		    &s->ahead[(s->ahead_first + s->ahead_count) % STREAM_AHEAD];
		s->reader_state = trace_reader_next(s->reader, ev, e);
		if (s->reader_state <= 0)
			return;
		s->ahead_count++;
		live_fetch(&s->live, ev->begin ? ev->old : ev->addr);
	}
}

static int next_event(struct trace_stream *s, struct step *step, struct trace_error *e)
{
	read_ahead(s, e);
	if (s->ahead_count == 0)
		return s->reader_state;
	step->ev = s->ahead[s->ahead_first];
	s->ahead_first = (s->ahead_first + 1) % STREAM_AHEAD;
	s->ahead_count--;
	return 1;
}

/* The event that next_event() gave last is not yet to be done. */
static void put_back(struct trace_stream *s)
{
	s->ahead_first = (s->ahead_first + STREAM_AHEAD - 1) % STREAM_AHEAD;
	s->ahead_count++;
}

/* Both events and threads wait: the rare path.  1: *step is done; 0: go on; -1: no memory. */
static int wait_or_go(struct trace_stream *s, struct step *step)
{
	if (step->ev.tick > s->held[0].tick + s->hold_ticks || s->held_count == STREAM_HELD) {
		put_back(s);
		return force_oldest(s, step) ? 1 : -1;
	}
	if (!thread_waits(s, step->ev.thread, s->held_count) && apply(s, step, false))
		return 1;
	s->held[s->held_count++] = step->ev;
	return 0;
}

int trace_stream_next(struct trace_stream *s, struct step *step, struct trace_error *e)
{
	int r = 0;

	while (r == 0) {
		if (s->held_count != 0 && try_held(s, step))
			break;
		const int got = next_event(s, step, e);
		if (got < 0 || (got == 0 && s->held_count == 0))
			return got;
		if (got == 0)
			r = force_oldest(s, step) ? 1 : -1;
		else if (s->held_count != 0)
			r = wait_or_go(s, step);
		else if (apply(s, step, false))
			r = 1;
		else if (s->hold_ticks == 0)
			r = force(s, step) ? 1 : -1;
		else {
			s->held[s->held_count++] = step->ev;
			s->held_total++;
		}
	}
	s->events += !step->ev.begin;
	if (r < 0)
		trace_fail(e, TRACE_NOWHERE, "no memory for %zu live objects", s->live.count);
	return r < 0 ? -1 : 1;
}

bool trace_stream_read(struct trace_stream *s, const struct trace_listener *first,
    struct trace_error *e)
{
	struct step step;
	int r;

	while ((r = trace_stream_next(s, &step, e)) > 0)
		for (const struct trace_listener *l = first; l != NULL; l = l->next)
			if (!l->step(l->arg, &step, e))
				return false;
	return r == 0;
}
