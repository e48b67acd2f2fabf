/* threads.c - many threads on one heap, handing objects to each other.
 *
 * The run is cut into rounds.  In a round every thread works on its own shadow and exchanges
 * objects through `post`; between rounds all wait while the first one merges the shadows and
 * compares them with the heap's own view.  The refusals of os_fault stay out: its counters belong
 * to one thread at a time, and a system calls them under the heap's lock or not at all.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/lock.h"
#include "torture/inside.h"

enum { POST_BOXES = 128, ROUND_OPS = 20000, HANDOVER_ODDS = 8 };

struct worker {
	struct crew *crew;
	struct shadow shadow;
	struct rng rng;
	struct phase phase;
	bool broke;
};

struct crew {
	struct rig *bench;
	struct worker workers[TORTURE_THREADS_MAX];
	struct shadow all; /* filled between rounds */
	pthread_barrier_t barrier;
	struct lock post_lock;
	struct shadow_object post[POST_BOXES]; /* p == NULL: empty */
	uint64_t round_ops;                    /* each */
	bool stop, broke;
};

/* Put one of ours into a box and take what was there: frees will cross threads. */
static bool exchange(struct worker *w)
{
	struct crew *const c = w->crew;
	struct shadow_object mine = shadow_take(&w->shadow, rng_below(&w->rng, w->shadow.count));
	const size_t box = rng_below(&w->rng, POST_BOXES);

	lock_take(&c->post_lock);
	const struct shadow_object theirs = c->post[box];
	c->post[box] = mine;
	lock_give(&c->post_lock);
	return theirs.p == NULL || shadow_put(&w->shadow, theirs);
}

static void work(struct worker *w)
{
	struct crew *const c = w->crew;
	const size_t live_max = SHADOW_CAP / c->bench->t->threads;

	for (uint64_t i = 0; i < c->round_ops && !w->broke; i++) {
		if (w->phase.left == 0) {
			phase_draw(&w->phase, &w->rng, false, live_max);
			if (w->phase.sizes == SIZES_LARGE)
				/* 64 times large is a lot of memory */
				w->phase.sizes = SIZES_MIXED;
		}
		w->phase.left--;
		if (w->shadow.count > 0 && rng_below(&w->rng, HANDOVER_ODDS) == 0)
			w->broke = !exchange(w);
		else
			w->broke = !phase_operation(&w->phase, &w->rng, &w->shadow);
		__atomic_fetch_add(&c->bench->result->ops, 1, __ATOMIC_RELAXED);
	}
}

/* All threads wait: what they believe together must be what the heap says. */
static bool compare(struct crew *c)
{
	struct shadow *const all = &c->all;

	all->count = 0;
	for (unsigned i = 0; i < c->bench->t->threads; i++) {
		const struct shadow *const s = &c->workers[i].shadow;
		if (c->workers[i].broke) {
			all->why = s->why;
			return false;
		}
		for (size_t k = 0; k < s->count; k++)
			if (!shadow_put(all, s->objects[k]))
				return false;
	}
	for (size_t i = 0; i < POST_BOXES; i++)
		if (c->post[i].p != NULL && !shadow_put(all, c->post[i]))
			return false;

	rig_note(c->bench, all);
	return shadow_check(all, stage_owned(&c->bench->stage)) && shadow_contents(all);
}

static void *worker_run(void *arg)
{
	struct worker *const w = arg;
	struct crew *const c = w->crew;

	while (!c->stop) {
		work(w);
		pthread_barrier_wait(&c->barrier);
		if (w == &c->workers[0]) {
			c->broke = !compare(c);
			c->stop = c->broke || c->bench->result->ops >= c->bench->t->ops ||
			    rig_full(c->bench);
		}
		pthread_barrier_wait(&c->barrier);
	}
	return NULL;
}

static bool open_crew(struct crew *c)
{
	const unsigned threads = c->bench->t->threads;

	if (!shadow_open(&c->all, &c->bench->heap, 2 * SHADOW_CAP + POST_BOXES))
		return false;
	c->round_ops = max_size(1, min_size(ROUND_OPS, c->bench->t->ops) / threads);
	for (unsigned i = 0; i < threads; i++) {
		struct worker *const w = &c->workers[i];
		w->crew = c;
		w->rng.state = c->bench->t->seed + i * 0x9e3779b9u;
		if (!shadow_open(&w->shadow, &c->bench->heap, 2 * SHADOW_CAP))
			return false;
		w->shadow.tag = i << 24; /* patterns of different threads differ */
	}
	return pthread_barrier_init(&c->barrier, NULL, threads) == 0;
}

/* Workers 1.. as threads, worker 0 here; false if a thread could not be had. */
static bool run_crew(struct crew *c)
{
	pthread_t threads[TORTURE_THREADS_MAX];

	for (unsigned i = 1; i < c->bench->t->threads; i++)
		if (pthread_create(&threads[i], NULL, worker_run, &c->workers[i]) != 0)
			return false; /* the others wait at the barrier until the process ends */
	worker_run(&c->workers[0]);
	for (unsigned i = 1; i < c->bench->t->threads; i++)
		pthread_join(threads[i], NULL);
	return true;
}

void threads_run(struct rig *b)
{
	static struct crew c;
	c.bench = b;
	const int e = rig_open(b);

	if (e != 0 || !open_crew(&c) || !run_crew(&c)) {
		b->result->end = TORTURE_CANNOT;
		b->result->why.found = (uint64_t)(e != 0 ? e : EAGAIN);
		return;
	}
	b->result->epochs = 1;
	for (unsigned i = 0; i < b->t->threads; i++)
		b->result->refused += c.workers[i].shadow.refused;
	if (!c.broke && rig_finish(b, &c.all)) {
		b->result->end = TORTURE_FINE;
		return;
	}
	b->result->end = TORTURE_BROKE;
	rig_blame(b, &c.all.why);
}
