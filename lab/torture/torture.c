/* torture.c - one thread's random operations, and the child that they run in. */
#include "torture/torture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/rng.h"
#include "cli/progress.h"
#include "torture/inside.h"
#include "torture/watch.h"

enum {
	EPOCH_OPS = 60000,
	HANG_SECONDS = 60,    /* of processor time, of all threads */
	HANG_CPU_SECONDS = 3, /* of the one */
	STRANGER_ODDS = 200,
	REFUSAL_ODDS = 10,
};

/* ---- an epoch of one thread */

/* Everything that is checked now and then, or at once if chunks are few. */
static bool inspect(struct rig *b, struct shadow *s)
{
	const bool due = b->result->ops % TORTURE_CHECK_EVERY == 0;

	if (!due && s->chunks > TORTURE_CHUNKS_ALWAYS)
		return true;
	rig_note(b, s);
	if (!rig_ask(b, s))
		return false;
	return !due || (shadow_contents(s) && rig_strangers(b, s));
}

/* A refusal without a reason is often the consequence of a damaged structure: the design's own rule
 * then says more. */
static void ask_for_cause(struct rig *b, struct shadow *s)
{
	const struct dmm_fault why = s->why;

	if (why.rule != NULL && strncmp(why.rule, "S10 ", 4) == 0 && rig_ask(b, s))
		s->why = why;
}

/* The next operation, perhaps after a stranger's or before a refusal. */
static bool one(struct rig *b, struct phase *p, struct rng *r, struct shadow *s)
{
	struct os_fault *const f = &b->stage.fault;

	if (p->strangers && rng_below(r, STRANGER_ODDS) == 0)
		rig_stranger(b, 16 * (1 + rng_below(r, 600)));
	f->fail_at = p->refusals && rng_below(r, REFUSAL_ODDS) == 0 ? f->calls + 1 : 0;
	b->result->ops++;
	const bool fine = phase_operation(p, r, s);
	f->fail_at = 0;
	if (!fine)
		ask_for_cause(b, s);
	return fine && rig_reuses(b, s) && inspect(b, s);
}

static bool operations(struct rig *b, struct rng *r, struct shadow *s)
{
	const uint64_t end = min_size(b->t->ops, b->result->ops + 1 + rng_below(r, EPOCH_OPS));
	const bool strangers = rng_below(r, 3) == 0;
	struct phase p = {0};

	while (b->result->ops < end && !rig_full(b)) {
		if (p.left == 0)
			phase_draw(&p, r, strangers, SHADOW_CAP);
		p.left--;
		if (!one(b, &p, r, s))
			return false;
	}
	return true;
}

static bool epoch(struct rig *b, struct rng *r, struct shadow *s)
{
	const int e = rig_open(b);
	if (e != 0) {
		b->result->end = TORTURE_CANNOT;
		s->why.found = (uint64_t)e;
		return false;
	}
	s->chunks = s->count = s->payload = s->most = s->refused = s->names = 0;
	s->os = rig_refusals(b);
	s->script = b->t->script;
	if (s->script != NULL)
		script_clear(s->script);
	b->result->epochs++;
	if (!operations(b, r, s) || !rig_finish(b, s))
		return false;
	stage_close(&b->stage);
	return true;
}

static void run_alone(struct rig *b)
{
	struct rng r = {b->t->seed};
	struct shadow s;

	if (!shadow_open(&s, &b->heap, SHADOW_CAP)) {
		b->result->end = TORTURE_CANNOT;
		return;
	}
	bool fine = true;
	while (fine && b->result->ops < b->t->ops)
		fine = epoch(b, &r, &s);
	if (fine) {
		b->result->end = TORTURE_FINE;
	} else {
		if (b->result->end != TORTURE_CANNOT)
			b->result->end = TORTURE_BROKE;
		rig_blame(b, &s.why);
	}
}

/* ---- the child */

static void work(void *arg)
{
	struct rig *const b = arg;

	if (b->t->threads > 1)
		threads_run(b);
	else
		run_alone(b);
}

struct torture_result torture_run(const struct torture *t)
{
	static struct rig b;
	struct torture_result *const shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct torture_result result = {.end = TORTURE_CANNOT};

	if (shared == MAP_FAILED) {
		result.why.found = ENOMEM;
		return result;
	}
	*shared = result;
	shared->end = TORTURE_EXITED; /* until work() comes to its end */
	b = (struct rig){.t = t, .result = shared};
	progress_begin("%s: random operations", t->sys->name);
	const enum torture_end end = watch_run(work, &b, &shared->ops, t->ops,
	    t->threads > 1 ? HANG_SECONDS : HANG_CPU_SECONDS, &result.signal);
	progress_end();
	if (end != TORTURE_FINE) {
		shared->end = end;
		shared->signal = result.signal;
	}
	result = *shared;
	result.why.rule = NULL; /* points into the child, at best */
	munmap(shared, sizeof *shared);
	return result;
}
