/* rig.c - a heap under test with all that is around it: opened, checked, closed, blamed. */
#include <stdio.h>

#include "base/bits.h"
#include "torture/inside.h"

static const size_t EPOCH_BYTES = (size_t)96 << 20, ROUNDS_BYTES = (size_t)512 << 20;
static const size_t SPARE_BYTES = (size_t)64 << 20, SPARE_FACTOR = 8;

/* 0, or errno. */
int rig_open(struct rig *b)
{
	int r = 0;
	if (b->t->threads > 1 && (b->t->sys->traits & DMM_THREADS))
		stage_open_bare(&b->stage);
	else if (b->t->on_linux)
		stage_open_linux(&b->stage);
	else
		r = stage_open_arena(&b->stage, b->t->slot);
	return r != 0 ? -r : -heap_open(&b->heap, b->t->sys, b->t->params, b->stage.os);
}

/* Bytes obtained, as far as known. */
size_t rig_footprint(const struct rig *b)
{
	const size_t owned = stage_owned(&b->stage);
	return owned != SIZE_MAX ? owned : 0;
}

/* A system that never frees must not eat the machine: begin anew. */
bool rig_full(const struct rig *b)
{
	const size_t most = b->t->threads > 1 ? ROUNDS_BYTES : EPOCH_BYTES;
	return !(b->t->sys->traits & DMM_FREES) && rig_footprint(b) > most;
}

void rig_note(struct rig *b, const struct shadow *s)
{
	struct torture_result *const r = b->result;
	r->checks++;
	r->peak_live = max_size(r->peak_live, s->count);
	r->peak_usable = max_size(r->peak_usable, stage_usable(&b->stage));
}

void rig_stranger(struct rig *b, size_t len)
{
	if (b->t->script != NULL)
		script_add(b->t->script, (struct script_step){.op = SCRIPT_STRANGER, .n = len});
	stage_stranger(&b->stage, len);
}

const struct os_fault *rig_refusals(const struct rig *b)
{
	return b->stage.os == &b->stage.fault.os ? &b->stage.fault : NULL;
}

/* A design that frees must find its memory again.  It may keep a page for each object, and several
 * times what was live: no design that reuses memory comes near the bound. */
bool rig_reuses(const struct rig *b, struct shadow *s)
{
	const size_t have = stage_usable(&b->stage), bound = SPARE_BYTES + SPARE_FACTOR * s->most;

	if (!(b->t->sys->traits & DMM_FREES) || have <= bound)
		return true;
	s->why = (struct dmm_fault){"S11 reuse", 0, have, s->payload};
	return false;
}

bool rig_ask(struct rig *b, struct shadow *s)
{
	if (b->t->blind)
		return true;
	b->result->inside = true;
	const bool fine = shadow_check(s, stage_owned(&b->stage));
	b->result->inside = false;
	return fine;
}

bool rig_strangers(struct rig *b, struct shadow *s)
{
	const unsigned char *const p = stage_strangers_hurt(&b->stage);
	if (p != NULL)
		s->why = (struct dmm_fault){"S9 strangers", (uintptr_t)p, *p, 0};
	return p == NULL;
}

/* The end of an epoch: everything is freed, trimmed, and closed, and nothing may be left. */
bool rig_finish(struct rig *b, struct shadow *s)
{
	if (!shadow_free_all(s) || !rig_ask(b, s))
		return false;
	if (b->t->script != NULL)
		script_add(b->t->script, (struct script_step){.op = SCRIPT_TRIM});
	heap_trim(&b->heap, 0);
	if (!rig_ask(b, s) || !rig_strangers(b, s))
		return false;
	b->result->refused += s->refused;
	heap_close(&b->heap);
	/* On os_linux libc may have moved the break as well. */
	if (!b->t->on_linux && b->stage.stranger_count == 0 && rig_footprint(b) != 0) {
		s->why = (struct dmm_fault){"S7 partition", 0, rig_footprint(b), 0};
		return false;
	}
	return true;
}

void rig_blame(struct rig *b, const struct dmm_fault *why)
{
	b->result->why = *why;
	snprintf(b->result->rule, sizeof b->result->rule, "%s", why->rule != NULL ? why->rule : "");
}
