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
	PHASE_OPS = 8000,
	HANG_SECONDS = 60,
	STRANGER_ODDS = 200,
	REFUSAL_ODDS = 10,
};
static const size_t EPOCH_BYTES = (size_t)96 << 20, ROUNDS_BYTES = (size_t)512 << 20;

/* ---- what a phase is like */

/* A size near the interesting ones: powers of two, pages, and their headers' width beside them. */
static size_t near(struct rng *r, size_t n)
{
	return n + 24 - min_size(n + 24, rng_below(r, 49));
}

static size_t draw_size(struct rng *r, const struct phase *p)
{
	switch (p->sizes) {
	case SIZES_TINY:
		return rng_below(r, 65);
	case SIZES_SMALL:
		return rng_below(r, 1025);
	case SIZES_FEW: /* four sizes of the phase: many exact fits */
		return p->few[rng_below(r, 4)];
	case SIZES_POWERS:
		return near(r, (size_t)1 << rng_below(r, 17));
	case SIZES_PAGES:
		return near(r, 4096 * rng_below(r, 9));
	case SIZES_LARGE:
		return rng_below(r, 8) == 0 ? rng_below(r, (size_t)4 << 20) : rng_below(r, 200000);
	default: /* each doubling as likely as the next */
		return rng_below(r, (size_t)2 << rng_below(r, 15));
	}
}

void phase_draw(struct phase *p, struct rng *r, bool strangers, size_t live_max)
{
	static const size_t targets[] = {4, 20, 100, 400, 400, 4000};
	const size_t kinds = sizeof targets / sizeof *targets;

	*p = (struct phase){.sizes = rng_below(r, SIZES_KINDS), .left = 1 + rng_below(r, PHASE_OPS),
	    .target = min_size(targets[rng_below(r, kinds)], live_max),
	    .order = rng_below(r, ORDERS), .strangers = strangers, .refusals = rng_below(r, 4) == 0};
	for (size_t i = 0; i < 4; i++)
		p->few[i] = 1 + rng_below(r, 300);
	if (p->sizes == SIZES_LARGE)
		p->target = min_size(p->target, 100);
}

/* Which live object is next to be freed or resized. */
static size_t draw_object(struct rng *r, const struct phase *p, const struct shadow *s)
{
	switch (p->order) {
	case ORDER_HIGHEST:
		return s->count - 1;
	case ORDER_LOWEST:
		return 0;
	case ORDER_NEIGHBOURS: /* runs of neighbours, so that three merge into one */
		return (p->left / 3 + rng_below(r, 3)) % s->count;
	default:
		return rng_below(r, s->count);
	}
}

static bool draw_aligned(struct shadow *s, struct rng *r, size_t n)
{
	return shadow_aligned(s, (size_t)1 << rng_below(r, 15), min_size(n, 50000));
}

/* One that no heap can meet. */
static bool draw_absurd(struct shadow *s, struct rng *r)
{
	switch (rng_below(r, 4)) {
	case 0:
		return shadow_malloc(s, DMM_SIZE_MAX + 1 + rng_below(r, DMM_SIZE_MAX));
	case 1:
		return shadow_malloc(s, DMM_SIZE_MAX - rng_below(r, 8192));
	case 2:
		return shadow_aligned(s, (size_t)1 << 40, DMM_SIZE_MAX - rng_below(r, 100));
	default:
		return s->count == 0 || shadow_realloc(s, 0, SIZE_MAX - rng_below(r, 8192));
	}
}

bool phase_operation(const struct phase *p, struct rng *r, struct shadow *s)
{
	const size_t n = draw_size(r, p);
	const uint64_t dice = rng_below(r, 100);
	/* Hover around the target: below it two of three give, above it two of three take. */
	const bool give = s->count == 0 || rng_below(r, 3) < (s->count < p->target ? 2 : 1);

	if (dice == 0 && rng_below(r, 8) == 0)
		return draw_absurd(s, r);
	if (dice < 20 && s->count > 0)
		return shadow_realloc(s, draw_object(r, p, s), max_size(n, 1));
	if (!give || s->count == s->cap)
		return shadow_free(s, draw_object(r, p, s));
	if (dice < 35)
		return shadow_calloc(s, 1 + rng_below(r, 4), n / 3);
	return dice < 42 ? draw_aligned(s, r, n) : shadow_malloc(s, n);
}

/* ---- an epoch of one thread */

/* Bytes obtained, as far as known. */
size_t bench_footprint(const struct bench *b)
{
	const size_t owned = stage_owned(&b->stage);
	return owned != SIZE_MAX ? owned : 0;
}

/* A system that never frees must not eat the machine: begin anew. */
bool bench_full(const struct bench *b)
{
	const size_t most = b->t->threads > 1 ? ROUNDS_BYTES : EPOCH_BYTES;
	return !(b->t->sys->traits & DMM_FREES) && bench_footprint(b) > most;
}

void bench_note(struct bench *b, const struct shadow *s)
{
	struct torture_result *const r = b->result;
	r->checks++;
	r->peak_live = max_size(r->peak_live, s->count);
	r->peak_usable = max_size(r->peak_usable, stage_usable(&b->stage));
}

/* Everything that is checked now and then, or at once if chunks are few. */
static bool inspect(struct bench *b, struct shadow *s)
{
	const bool due = b->result->ops % TORTURE_CHECK_EVERY == 0;

	if (!due && s->chunks > TORTURE_CHUNKS_ALWAYS)
		return true;
	bench_note(b, s);
	if (!shadow_check(s, stage_owned(&b->stage)))
		return false;
	return !due || (shadow_contents(s) && bench_strangers(b, s));
}

bool bench_strangers(struct bench *b, struct shadow *s)
{
	const unsigned char *const p = stage_strangers_hurt(&b->stage);
	if (p != NULL)
		s->why = (struct dmm_fault){"S9 strangers", (uintptr_t)p, *p, 0};
	return p == NULL;
}

/* The next operation, perhaps after a stranger's or before a refusal. */
static bool one(struct bench *b, struct phase *p, struct rng *r, struct shadow *s)
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

static bool operations(struct bench *b, struct rng *r, struct shadow *s)
{
	const uint64_t end = min_size(b->t->ops, b->result->ops + 1 + rng_below(r, EPOCH_OPS));
	const bool strangers = rng_below(r, 3) == 0;
	struct phase p = {0};

	while (b->result->ops < end && !bench_full(b)) {
		if (p.left == 0)
			phase_draw(&p, r, strangers, SHADOW_CAP);
		p.left--;
		if (!one(b, &p, r, s))
			return false;
	}
	return true;
}

/* The end of an epoch: everything is freed, trimmed, and closed, and nothing may be left. */
bool bench_finish(struct bench *b, struct shadow *s)
{
	if (!shadow_free_all(s) || !shadow_check(s, stage_owned(&b->stage)))
		return false;
	heap_trim(&b->heap, 0);
	if (!shadow_check(s, stage_owned(&b->stage)) || !bench_strangers(b, s))
		return false;
	b->result->refused += s->refused;
	heap_close(&b->heap);
	/* On os_linux libc may have moved the break as well. */
	if (!b->t->on_linux && b->stage.stranger_count == 0 && bench_footprint(b) != 0) {
		s->why = (struct dmm_fault){"S7 partition", 0, bench_footprint(b), 0};
		return false;
	}
	return true;
}

/* 0, or errno. */
int bench_open(struct bench *b)
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

static bool epoch(struct bench *b, struct rng *r, struct shadow *s)
{
	const int e = bench_open(b);
	if (e != 0) {
		b->result->end = TORTURE_CANNOT;
		s->why.found = (uint64_t)e;
		return false;
	}
	s->chunks = s->count = s->payload = s->refused = 0;
	b->result->epochs++;
	if (!operations(b, r, s) || !bench_finish(b, s))
		return false;
	stage_close(&b->stage);
	return true;
}

static void run_alone(struct bench *b)
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
		bench_blame(b, &s.why);
}

void bench_blame(struct bench *b, const struct dmm_fault *why)
{
	b->result->why = *why;
	snprintf(b->result->rule, sizeof b->result->rule, "%s", why->rule != NULL ? why->rule : "");
}

/* ---- the child */

static _Noreturn void child(const struct torture *t, struct torture_result *result)
{
	static struct bench b;
	b.t = t;
	b.result = result;
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	if (t->threads > 1)
		bench_run_threads(&b);
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
