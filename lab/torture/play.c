/* play.c - a script's steps on a fresh heap, in a child. */
#include "torture/play.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "torture/inside.h"
#include "torture/watch.h"

/* A script is short, and so are its calls: 0.3 s of processor time for one is a hang. */
static const double HANG_CPU_S = 0.3;

struct player {
	const struct play *p;
	struct play_result *result; /* shared with the parent */
	struct rig rig;
	struct shadow shadow;
	struct torture_result unused; /* what rig.c counts */
	char **where;                 /* of each name; NULL: it is not live */
	size_t names;
};

static bool perform(struct player *y, const struct script_step *step)
{
	struct shadow *const s = &y->shadow;
	char **const p = &y->where[step->name];
	size_t i;

	if (step->op == SCRIPT_STRANGER) {
		stage_stranger(&y->rig.stage, step->n);
		return true;
	}
	if (step->op == SCRIPT_TRIM) {
		heap_trim(&y->rig.heap, 0);
		return true;
	}
	if ((*p == NULL) != (step->op < SCRIPT_REALLOC))
		return true; /* its malloc was left out, or refused */
	i = step->op < SCRIPT_REALLOC ? 0 : shadow_place(s, *p);
	s->names = step->name - 1; /* the next object has the step's name */
	bool fine = true;
	switch (step->op) {
	case SCRIPT_MALLOC:
		fine = shadow_malloc(s, step->n);
		break;
	case SCRIPT_CALLOC:
		fine = shadow_calloc(s, step->extra, step->n);
		break;
	case SCRIPT_ALIGNED:
		fine = shadow_aligned(s, (size_t)1 << step->extra, step->n);
		break;
	case SCRIPT_REALLOC:
		fine = shadow_realloc(s, i, step->n);
		*p = s->last != NULL ? s->last : *p;
		return fine;
	default:
		fine = shadow_free(s, i);
	}
	*p = s->last;
	return fine;
}

static bool ask_design(struct player *y)
{
	if (y->p->blind)
		return true;
	y->result->inside = true;
	const bool fine = shadow_check(&y->shadow, stage_owned(&y->rig.stage));
	y->result->inside = false;
	return fine;
}

static bool all_well(struct player *y)
{
	return ask_design(y) && shadow_contents(&y->shadow) && rig_strangers(&y->rig, &y->shadow);
}

static bool one(struct player *y, size_t k)
{
	const struct script_step *const step = &y->p->step[k];
	struct os_fault *const f = &y->rig.stage.fault;

	y->result->step = k;
	y->result->done++;
	f->fail_at = step->refuse ? f->calls + 1 : 0;
	bool fine = perform(y, step);
	f->fail_at = 0;
	fine = fine && rig_reuses(&y->rig, &y->shadow) && (!y->p->closely || all_well(y));
	if (y->p->look != NULL) {
		y->result->looked = true;
		y->p->look(y->p->arg, &y->rig.heap, &y->shadow, k);
		y->result->looked = false;
	}
	return fine;
}

static bool steps(struct player *y)
{
	for (uint64_t round = 0; round < max_size(y->p->repeat, 1); round++) {
		y->result->round = round;
		for (size_t k = 0; k < y->p->count; k++)
			if (!one(y, k))
				return false;
	}
	if (!y->p->closely)
		y->result->step = y->p->count;
	return y->p->closely || all_well(y);
}

static bool open_player(struct player *y)
{
	for (size_t k = 0; k < y->p->count; k++)
		y->names = max_size(y->names, y->p->step[k].name);
	y->where = mmap(NULL, (y->names + 1) * sizeof *y->where, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	y->rig.t = y->p->t;
	y->rig.result = &y->unused;
	if (y->where == MAP_FAILED || rig_open(&y->rig) != 0 ||
	    !shadow_open(&y->shadow, &y->rig.heap, SHADOW_CAP))
		return false;
	y->shadow.os = rig_refusals(&y->rig);
	y->shadow.asked_only = y->p->asked_only;
	return true;
}

static void child(void *arg)
{
	struct player *const y = arg;

	if (!open_player(y)) {
		y->result->end = TORTURE_CANNOT;
		return;
	}
	if (steps(y)) {
		y->result->end = TORTURE_FINE;
		return;
	}
	y->result->end = TORTURE_BROKE;
	y->result->why = y->shadow.why;
	y->result->victim = y->shadow.victim;
	y->result->culprit = y->shadow.culprit;
	snprintf(y->result->rule, sizeof y->result->rule, "%s", y->shadow.why.rule);
}

struct play_result play_run(const struct play *p)
{
	static struct player y;
	struct play_result *const shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct play_result result = {.end = TORTURE_CANNOT};

	if (shared == MAP_FAILED)
		return result;
	shared->end = TORTURE_EXITED; /* until child() comes to its end */
	y = (struct player){.p = p, .result = shared};
	const enum torture_end end = watch_run(child, &y, &shared->done, 0, HANG_CPU_S,
	    &result.signal);
	if (end != TORTURE_FINE) {
		shared->end = end;
		shared->signal = result.signal;
	}
	result = *shared;
	munmap(shared, sizeof *shared);
	result.why.rule = NULL; /* points into the design's library, at best */
	return result;
}

bool play_is_seen(const struct play_result *r)
{
	if (r->end != TORTURE_BROKE)
		return !r->inside;
	/* the rules of shadow.h, but for those of the walk */
	unsigned number;
	return sscanf(r->rule, "S%u ", &number) == 1 && number != 7 && number != 8;
}

bool play_is_same(const struct play_result *a, const struct play_result *b)
{
	return a->end == b->end && a->inside == b->inside &&
	    (a->end != TORTURE_BROKE || strcmp(a->rule, b->rule) == 0);
}
