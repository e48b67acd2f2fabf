/* torture.c - one thread's random operations, and the child that they run in. */
#include "torture/torture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/rng.h"
#include "torture/inside.h"

enum {
	EPOCH_OPS = 60000,
	HANG_SECONDS = 60,
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
	if (!shadow_check(s, stage_owned(&b->stage)))
		return false;
	return !due || (shadow_contents(s) && rig_strangers(b, s));
}

/* The next operation, perhaps after a stranger's or before a refusal. */
static bool one(struct rig *b, struct phase *p, struct rng *r, struct shadow *s)
{
	struct os_fault *const f = &b->stage.fault;

	if (p->strangers && rng_below(r, STRANGER_ODDS) == 0)
		stage_stranger(&b->stage, 16 * (1 + rng_below(r, 600)));
	f->fail_at = p->refusals && rng_below(r, REFUSAL_ODDS) == 0 ? f->calls + 1 : 0;
	b->result->ops++;
	const bool fine = phase_operation(p, r, s);
	f->fail_at = 0;
	return fine && inspect(b, s);
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
	s->chunks = s->count = s->payload = s->refused = 0;
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
	b->result->end = TORTURE_BROKE; /* until proved otherwise */
	bool fine = true;
	while (fine && b->result->ops < b->t->ops)
		fine = epoch(b, &r, &s);
	if (fine)
		b->result->end = TORTURE_FINE;
	else
		rig_blame(b, &s.why);
}

/* ---- the child */

static _Noreturn void child(const struct torture *t, struct torture_result *result)
{
	static struct rig b;
	b.t = t;
	b.result = result;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (t->threads > 1)
		threads_run(&b);
	else
		run_alone(&b);
	_exit(0);
}

/* Wait for the child; kill it when it has done nothing for long. */
static void watch(pid_t pid, volatile struct torture_result *result)
{
	uint64_t ops = 0;
	int status, idle_ms = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		usleep(2000);
		idle_ms = result->ops == ops ? idle_ms + 2 : 0;
		ops = result->ops;
		if (idle_ms < HANG_SECONDS * 1000)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		result->end = TORTURE_HANGS;
		return;
	}
	if (WIFSIGNALED(status)) {
		result->end = TORTURE_DIED;
		result->signal = WTERMSIG(status);
	} else if (WEXITSTATUS(status) != 0) { /* a sanitizer's way to say no */
		result->end = TORTURE_DIED;
		result->signal = SIGABRT;
	}
}

struct torture_result torture_run(const struct torture *t)
{
	struct torture_result *const shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct torture_result result = {.end = TORTURE_CANNOT};

	if (shared == MAP_FAILED)
		return result;
	*shared = result;
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0)
		child(t, shared);
	if (pid > 0)
		watch(pid, shared);
	result = *shared;
	result.why.rule = NULL; /* points into the child, at best */
	munmap(shared, sizeof *shared);
	return result;
}
