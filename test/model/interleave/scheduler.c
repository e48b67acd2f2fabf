/* scheduler.c - coroutines, choices, and going back. */
#include "scheduler.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/lock.h"

enum { CHOICES_MAX = 20000, STACK_LEN = 256 << 10, TLS_MAX = 8192 };

struct fiber {
	jmp_buf at;
	char *stack;
	void (*act)(void);
	bool exists, started, done;
	const struct lock *waits;
	_Alignas(64) char tls[TLS_MAX];
};

static struct {
	struct fiber fibers[SCHED_THREADS];
	unsigned self;
	bool on; /* choices are made; otherwise threads are only impersonated */
	jmp_buf out;
	unsigned bound, preempted;
	size_t depth, replay;         /* choices made, and how many of them are given */
	uint8_t choice[CHOICES_MAX];  /* which of the options */
	uint8_t options[CHOICES_MAX]; /* how many there were */
	uint8_t who[CHOICES_MAX];     /* ran after it */
	const struct sched_scenario *scenario;
	uint64_t schedules;
} g;

unsigned sched_self(void)
{
	return g.self;
}

/* ---- thread-local storage */

static void change_self(unsigned to)
{
	memcpy(g.fibers[g.self].tls, sched_tls(), sched_tls_len());
	memcpy(sched_tls(), g.fibers[to].tls, sched_tls_len());
	g.self = to;
}

void sched_as(unsigned i, void (*act)(void))
{
	const unsigned self = g.self;

	change_self(i);
	act();
	change_self(self);
}

void *sched_tls_of(unsigned i)
{
	memcpy(g.fibers[g.self].tls, sched_tls(), sched_tls_len());
	return g.fibers[i].tls;
}

/* ---- failure */

static void tell_schedule(void)
{
	fprintf(stderr, "  schedule:");
	for (size_t i = 0, from = 0; i < g.depth; i++)
		if (i + 1 == g.depth || g.who[i + 1] != g.who[i]) {
			fprintf(stderr, " thread %d x %zu,", g.who[i], i + 1 - from);
			from = i + 1;
		}
	fprintf(stderr, " then this\n");
}

void sched_fail(const char *what)
{
	sched_failing();
	fprintf(stderr, "interleave: %s: %s (schedule %llu, thread %u)\n", g.scenario->name, what,
	    (unsigned long long)g.schedules + 1, g.self);
	tell_schedule();
	_exit(1);
}

/* ---- switching */

static bool runnable(unsigned i)
{
	const struct fiber *const f = &g.fibers[i];
	return f->exists && !f->done && (f->waits == NULL || f->waits->state == 0);
}

/* Begins on its own stack, and never returns. */
static void fiber_begin(void)
{
	struct fiber *const f = &g.fibers[g.self];

	f->act();
	f->done = true;
	sched_wait(NULL);
}

static _Noreturn void resume(unsigned i)
{
	struct fiber *const f = &g.fibers[i];
	static ucontext_t fresh;

	change_self(i);
	f->waits = NULL;
	if (f->started)
		longjmp(f->at, 1);
	f->started = true;
	getcontext(&fresh);
	fresh.uc_stack.ss_sp = f->stack;
	fresh.uc_stack.ss_size = STACK_LEN;
	makecontext(&fresh, fiber_begin, 0);
	setcontext(&fresh);
	abort();
}

/* ---- choosing: the current thread first, then the others by number */

static unsigned options(bool may_stay, unsigned list[SCHED_THREADS])
{
	unsigned n = 0;

	if (may_stay)
		list[n++] = g.self;
	for (unsigned i = 0; i < SCHED_THREADS && (!may_stay || g.preempted < g.bound); i++)
		if ((!may_stay || i != g.self) && runnable(i))
			list[n++] = i;
	return n;
}

/* Which thread runs next, as given or else the first; n options. */
static unsigned pick(const unsigned *list, unsigned n)
{
	if (g.depth == CHOICES_MAX)
		sched_fail("no end in sight: a livelock");
	if (g.depth >= g.replay)
		g.choice[g.depth] = 0;
	const unsigned to = list[g.choice[g.depth]];
	g.options[g.depth] = (uint8_t)n;
	g.who[g.depth++] = (uint8_t)to;
	return to;
}

static void choose(bool may_stay)
{
	unsigned list[SCHED_THREADS];
	const unsigned n = options(may_stay, list);

	if (n == 0) {
		for (unsigned i = 0; i < SCHED_THREADS; i++)
			if (g.fibers[i].exists && !g.fibers[i].done)
				sched_fail("deadlock: everybody waits for a lock");
		longjmp(g.out, 1);
	}
	const unsigned to = pick(list, n);
	g.preempted += may_stay && to != g.self;
	if (to == g.self)
		g.fibers[to].waits = NULL;
	else if (setjmp(g.fibers[g.self].at) == 0)
		resume(to);
}

void sched_stop(void)
{
	longjmp(g.out, 1);
}

bool sched_running(void)
{
	return g.on;
}

void sched_point(const volatile void *at)
{
	if (g.on && sched_worth(at))
		choose(true);
}

void sched_wait(const struct lock *l)
{
	if (!g.on)
		sched_fail("a lock is held after all threads have ended");
	g.fibers[g.self].waits = l;
	choose(false);
}

/* ---- all of them */

static void one_schedule(void)
{
	const struct sched_scenario *const s = g.scenario;

	g.depth = g.preempted = 0;
	g.self = 0;
	for (unsigned i = 0; i < SCHED_THREADS; i++) {
		struct fiber *const f = &g.fibers[i];
		f->act = s->thread[i];
		f->exists = f->act != NULL;
		f->started = f->done = false;
		f->waits = NULL;
		sched_tls_new(f->tls);
	}
	sched_tls_new(sched_tls());
	s->begin();
	if (setjmp(g.out) == 0) {
		unsigned list[SCHED_THREADS];
		const unsigned n = options(false, list);
		g.on = true;
		resume(pick(list, n));
	}
	g.on = false;
	s->end();
}

/* The next schedule: the last choice that can still be another one. */
static bool advance(void)
{
	while (g.depth > 0) {
		g.depth--;
		if (g.choice[g.depth] + 1 < g.options[g.depth]) {
			g.choice[g.depth]++;
			g.replay = g.depth + 1;
			return true;
		}
	}
	return false;
}

struct sched_result sched_explore(const struct sched_scenario *s, unsigned bound, uint64_t most)
{
	struct sched_result r = {0};

	g.scenario = s;
	g.bound = bound;
	g.replay = 0;
	for (unsigned i = 0; i < SCHED_THREADS; i++)
		if (g.fibers[i].stack == NULL)
			g.fibers[i].stack = mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (g.schedules = 0; g.schedules < most; g.schedules++) {
		one_schedule();
		if (g.depth > r.deepest)
			r.deepest = g.depth;
		if (!advance()) {
			r.all = true;
			g.schedules++;
			break;
		}
	}
	r.schedules = g.schedules;
	return r;
}
