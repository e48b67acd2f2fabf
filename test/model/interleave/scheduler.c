/* scheduler.c - see scheduler.h. */
#include "scheduler.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/lock.h"
#include "history.h"

enum { CHOICES_MAX = 20000, STACK_LEN = 256 << 10, TLS_MAX = 8192 };

struct fiber {
	jmp_buf at;
	char *stack;
	void (*act)(void);
	bool exists, started, done;
	bool owes; /* a choice: some at private words were left out since the last one */
	const struct lock *waits;
	_Alignas(64) char tls[TLS_MAX];
};

static struct {
	struct fiber fibers[SCHED_THREADS];
	unsigned self;
	bool on; /* choices are made; otherwise threads are only impersonated */
	jmp_buf out;
	struct sched_search how;
	unsigned preempted;
	bool cut, stopped;            /* this schedule is, or the program has ended in it */
	struct seen seen, ends;
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
	for (unsigned i = 0; i < SCHED_THREADS && (!may_stay || g.preempted < g.how.bound); i++)
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
	else if (g.depth + 1 < g.replay && g.options[g.depth] != n)
		sched_fail("the same choices lead elsewhere than the last time: the scenario or "
		           "src/slab keeps something from one schedule to the next");
	const unsigned to = list[g.choice[g.depth]];
	g.options[g.depth] = (uint8_t)n;
	g.who[g.depth++] = (uint8_t)to;
	return to;
}

/* Has another schedule been here with no fewer preemptions left?  It need not go on then. */
static bool seen_before(bool may_stay)
{
	uint64_t where = g.self * 2 + may_stay;
	bool is_new;

	for (unsigned i = 0; i < SCHED_THREADS; i++)
		where = where * 8 + g.fibers[i].started * 4u + g.fibers[i].done * 2u +
		    (g.fibers[i].waits != NULL);
	uint64_t *const least = seen_at(&g.seen, history_sum(where), g.preempted, &is_new);
	if (is_new)
		return false;
	const bool no_worse = *least <= g.preempted;
	if (!no_worse)
		*least = g.preempted;
	return no_worse;
}

static void choose(bool may_stay)
{
	unsigned list[SCHED_THREADS];

	if (g.depth >= g.replay && !g.how.whole && seen_before(may_stay)) {
		g.cut = true;
		longjmp(g.out, 1);
	}
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
	g.stopped = true;
	longjmp(g.out, 1);
}

bool sched_running(void)
{
	return g.on;
}

void sched_before(const volatile void *at)
{
	struct fiber *const f = &g.fibers[g.self];

	if (!g.on)
		return;
	const bool worth = sched_worth(at), private = !g.how.whole && history_is_private(at);
	if (private) { /* as good as a choice now is one before the next word that is shared */
		f->owes = f->owes || worth;
	} else if (worth || f->owes) {
		f->owes = false;
		choose(true);
	}
}

void sched_note(const volatile void *at, bool changes)
{
	if (g.on)
		history_note(g.self, at, changes);
}

void sched_point(const volatile void *at, bool changes)
{
	sched_before(at);
	sched_note(at, changes);
}

void sched_wait(const struct lock *l)
{
	if (!g.on)
		sched_fail("a lock is held after all threads have ended");
	g.fibers[g.self].waits = l;
	choose(false);
}

/* ---- all of them */

/* Schedules of one history end in the same state. If a message ended the program, the unfinished
 * work of the other threads is part of the state, and each schedule counts. */
static void note_end(void)
{
	bool is_new;

	if (g.stopped)
		return;
	const uint64_t state = g.how.whole ? sched_hash_state() : 0;
	const uint64_t *const before = seen_at(&g.ends, history_sum(0), state, &is_new);
	if (before != NULL && *before != state)
		sched_fail("two schedules of one history end in different states: something that "
		           "threads share is not noted");
}

static void one_schedule(void)
{
	const struct sched_scenario *const s = g.scenario;

	g.depth = g.preempted = 0;
	g.cut = g.stopped = false;
	g.self = 0;
	for (unsigned i = 0; i < SCHED_THREADS; i++) {
		struct fiber *const f = &g.fibers[i];
		f->act = s->thread[i];
		f->exists = f->act != NULL;
		f->started = f->done = f->owes = false;
		f->waits = NULL;
		sched_tls_new(f->tls);
	}
	sched_tls_new(sched_tls());
	s->begin();
	history_begin();
	if (setjmp(g.out) == 0) {
		unsigned list[SCHED_THREADS];
		const unsigned n = options(false, list);
		g.on = true;
		resume(pick(list, n));
	}
	g.on = false;
	if (g.cut)
		return;
	note_end();
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

static void make_stacks(void)
{
	for (unsigned i = 0; i < SCHED_THREADS; i++)
		if (g.fibers[i].stack == NULL)
			g.fibers[i].stack = mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Go on where the last schedule left off; or begin again, if it has shown that a word is shared at
 * which nothing was a choice so far. */
static bool next_schedule(struct sched_result *r, size_t *shared)
{
	r->cut += g.cut;
	r->deepest = max_size(r->deepest, g.depth);
	r->schedules++;
	if (g.how.whole || history_shared() == *shared)
		return advance();
	*shared = history_shared();
	r->again++;
	g.replay = 0;
	seen_forget(&g.seen);
	seen_forget(&g.ends);
	return true;
}

struct sched_result sched_explore(const struct sched_scenario *s, const struct sched_search *how)
{
	struct sched_result r = {0};
	size_t shared = 0;

	g.scenario = s;
	g.how = *how;
	g.replay = 0;
	make_stacks();
	history_forget();
	while (!r.all && r.schedules < how->most) {
		g.schedules = r.schedules;
		one_schedule();
		r.all = !next_schedule(&r, &shared);
	}
	r.histories = g.ends.count;
	seen_forget(&g.seen);
	seen_forget(&g.ends);
	return r;
}
