/* soak_load.c - the threads of the soak, and what they do in each spell. */
#include "soak.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"

enum { OBJECTS = 60000, BATCH = 128, BOXES = 512, CHILD_OPS = 2000 };

struct object {
	char *p;
	size_t n;
	uint32_t tag;
};

struct worker {
	pthread_t thread;
	struct rng rng;
	struct object *objects;
	size_t count, live;
};

static struct worker workers[SOAK_THREADS_MAX];
static struct object boxes[BOXES];
static pthread_mutex_t boxes_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- objects: both ends and a byte of every page are written, and compared when it is freed */

static char mark(uint32_t tag, size_t at)
{
	return (char)((tag + at) * 0x9e3779b1u >> 24);
}

static void paint(const struct object *o)
{
	for (size_t at = 0; at < o->n; at += at < 64 ? 1 : 1024)
		o->p[at] = mark(o->tag, at);
	o->p[o->n - 1] = mark(o->tag, o->n - 1);
}

static void compare(const struct object *o, size_t n)
{
	bool same = n < o->n || o->p[o->n - 1] == mark(o->tag, o->n - 1);
	for (size_t at = 0; same && at < n && at + 1 < o->n; at += at < 64 ? 1 : 1024)
		same = o->p[at] == mark(o->tag, at);
	if (!same)
		atomic_store(&soak.lost, true);
}

static void put(struct worker *w, struct object o)
{
	w->objects[w->count++] = o;
	w->live += o.n;
}

static struct object take(struct worker *w, size_t i)
{
	const struct object o = w->objects[i];
	w->objects[i] = w->objects[--w->count];
	w->live -= o.n;
	return o;
}

static void make(struct worker *w, size_t n)
{
	const uint64_t dice = rng_below(&w->rng, 16);
	struct object o = {.n = n, .tag = (uint32_t)rng_next(&w->rng)};

	if (dice == 0)
		o.p = calloc(1, n);
	else if (dice == 1)
		o.p = aligned_alloc((size_t)16 << rng_below(&w->rng, 8), n);
	else
		o.p = malloc(n);
	if (o.p == NULL)
		return;
	if (dice == 0 && (o.p[0] | o.p[n / 2] | o.p[n - 1]) != 0)
		atomic_store(&soak.lost, true);
	paint(&o);
	put(w, o);
	atomic_fetch_add_explicit(&soak.live, n, memory_order_relaxed);
}

static void drop(struct worker *w, size_t i)
{
	const struct object o = take(w, i);
	compare(&o, o.n);
	free(o.p);
	atomic_fetch_sub_explicit(&soak.live, o.n, memory_order_relaxed);
}

static void resize(struct worker *w, size_t i, size_t n)
{
	struct object o = take(w, i);
	compare(&o, o.n);
	char *const p = realloc(o.p, n);
	if (p == NULL) {
		put(w, o);
		return;
	}
	const size_t old = o.n;
	o.p = p;
	if (n > old) /* what lay before is still there */
		compare(&o, old);
	o.n = n;
	paint(&o);
	put(w, o);
	atomic_fetch_add_explicit(&soak.live, n - old, memory_order_relaxed);
}

/* Into a box, out of which comes what another thread allocated. */
static void hand_over(struct worker *w)
{
	if (w->count == 0)
		return;
	const struct object mine = take(w, rng_below(&w->rng, w->count));
	const size_t box = rng_below(&w->rng, BOXES);

	pthread_mutex_lock(&boxes_lock);
	const struct object theirs = boxes[box];
	boxes[box] = mine;
	pthread_mutex_unlock(&boxes_lock);
	if (theirs.p != NULL)
		put(w, theirs);
}

/* ---- spells */

static size_t draw_size(struct rng *r, enum spell spell)
{
	switch (spell) {
	case SPELL_TINY:
		return 1 + rng_below(r, 64);
	case SPELL_SMALL:
		return 1 + rng_below(r, 1024);
	case SPELL_LARGE:
		return 32768 + rng_below(r, (size_t)1 << 20);
	default: /* each doubling as likely as the next */
		return 1 + rng_below(r, (size_t)16 << rng_below(r, 12));
	}
}

/* Bytes that a thread hovers around. */
static size_t target_of(enum spell spell)
{
	static const size_t targets[SPELLS] = {[SPELL_TINY] = 1 << 20, [SPELL_SMALL] = 4 << 20,
	    [SPELL_MIXED] = 3 << 20, [SPELL_LARGE] = 6 << 20, [SPELL_GROW] = 2 << 20,
	    [SPELL_HAND] = 3 << 19, [SPELL_THREADS] = 1 << 20};
	return spell == SPELL_REST ? soak.plateau : targets[spell];
}

static void operate(struct worker *w, enum spell spell)
{
	const bool above = w->live > target_of(spell);
	const bool give = w->count == 0 || (w->count < OBJECTS &&
	    rng_below(&w->rng, 4) < (above ? 1 : 3));

	if (spell == SPELL_HAND && rng_below(&w->rng, 4) == 0)
		hand_over(w);
	else if (spell == SPELL_REST && above)
		drop(w, rng_below(&w->rng, w->count));
	else if (spell == SPELL_GROW && w->count > 0 && rng_below(&w->rng, 2) == 0)
		resize(w, rng_below(&w->rng, w->count), draw_size(&w->rng, spell));
	else if (give)
		make(w, draw_size(&w->rng, spell));
	else
		drop(w, rng_below(&w->rng, w->count));
}

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Sleep so long that all threads together use `load` percent of a CPU. */
static void pause_for(double used)
{
	if (soak.load == 0)
		return;
	const double all = used * soak.threads * 100 / soak.load, s = all < 1 ? all : 1;
	const struct timespec t = {.tv_sec = (time_t)s,
	    .tv_nsec = (long)((s - (double)(time_t)s) * 1e9)};
	nanosleep(&t, NULL);
}

static void work(struct worker *w)
{
	unsigned batches = 0;

	while (!atomic_load(&soak.stop)) {
		const enum spell spell = atomic_load(&soak.spell);
		const double before = cpu_s();
		if (spell == SPELL_THREADS && ++batches % 4 == 0)
			return;
		if (spell == SPELL_REST && w->live <= soak.plateau) { /* truly at rest */
			nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
			continue;
		}
		for (int i = 0; i < BATCH; i++)
			operate(w, spell);
		atomic_fetch_add_explicit(&soak.ops, BATCH, memory_order_relaxed);
		if (spell != SPELL_REST)
			pause_for(cpu_s() - before);
	}
}

static void *run(void *arg);

static bool start(struct worker *w)
{
	pthread_attr_t a;

	pthread_attr_init(&a);
	pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&a, 256 << 10);
	const bool ok = pthread_create(&w->thread, &a, run, w) == 0;
	pthread_attr_destroy(&a);
	atomic_fetch_add_explicit(&soak.threads_started, ok, memory_order_relaxed);
	return ok;
}

static _Atomic unsigned running;

/* A thread that ends is followed by another, which frees what this one allocated. */
static void *run(void *arg)
{
	struct worker *const w = arg;

	do
		work(w);
	while (!atomic_load(&soak.stop) && !start(w)); /* no thread to be had: go on ourselves */
	if (atomic_load(&soak.stop))
		atomic_fetch_sub(&running, 1);
	return NULL;
}

bool soak_begin(void)
{
	for (unsigned i = 0; i < soak.threads; i++) {
		workers[i].rng.state = soak.seed + i * 0x9e3779b97f4a7c15u;
		workers[i].objects = malloc(OBJECTS * sizeof(struct object));
		atomic_fetch_add(&running, 1);
		if (workers[i].objects == NULL || !start(&workers[i]))
			return false;
	}
	return true;
}

void soak_end(void)
{
	atomic_store(&soak.stop, true);
	while (atomic_load(&running) != 0)
		usleep(10000);
	for (unsigned i = 0; i < soak.threads; i++) {
		while (workers[i].count > 0)
			drop(&workers[i], workers[i].count - 1);
		free(workers[i].objects);
	}
	for (size_t i = 0; i < BOXES; i++)
		free(boxes[i].p);
}

bool soak_child(void)
{
	static struct worker w;

	w = (struct worker){.rng = {soak.seed + (uint64_t)getpid()}};
	w.objects = malloc(OBJECTS * sizeof(struct object));
	if (w.objects == NULL)
		return false;
	for (int i = 0; i < CHILD_OPS; i++)
		operate(&w, SPELL_MIXED);
	while (w.count > 0)
		drop(&w, w.count - 1);
	free(w.objects);
	return !atomic_load(&soak.lost);
}
