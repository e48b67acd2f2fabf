/* random_ops_thread.c - one thread's operations, each judged in constant time. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "random_ops.h"

enum { NO_ERRNO = 12345, WHOLE = 512, END = 64, APART = 4096, BOXES = 64, PHASE_OPS = 6000 };

/* ---- S2: a bit for every 16 bytes of 47 bits of address space */

static _Atomic uint64_t *claimed;
static const size_t CLAIM_LEN = (size_t)1 << (47 - 4 - 3);

bool rapid_open(void)
{
	void *const p = mmap(NULL, CLAIM_LEN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	claimed = p;
	for (unsigned i = 0; i < run.threads; i++)
		run.workers[i].rng.state = run.seed + i * 0x9e3779b97f4a7c15u;
	return p != MAP_FAILED;
}

/* Set or clear mask; the word as it was. */
static uint64_t flip(_Atomic uint64_t *word, uint64_t mask, bool set)
{
	if (run.threads > 1)
		return set ? atomic_fetch_or_explicit(word, mask, memory_order_relaxed)
		           : atomic_fetch_and_explicit(word, ~mask, memory_order_relaxed);
	const uint64_t was = atomic_load_explicit(word, memory_order_relaxed);
	atomic_store_explicit(word, set ? was | mask : was & ~mask, memory_order_relaxed);
	return was;
}

static void claim(const struct object *o, bool set)
{
	const size_t first = (uintptr_t)o->p / 16,
	    last = ((uintptr_t)o->p + max_size(o->usable, 1) - 1) / 16;

	for (size_t word = first / 64; word <= last / 64; word++) {
		const uint64_t from = word == first / 64 ? ~0ull << first % 64 : ~0ull;
		const uint64_t to = word == last / 64 ? ~0ull >> (63 - last % 64) : ~0ull;
		const uint64_t mask = from & to, was = flip(&claimed[word], mask, set) & mask;
		if (was != (set ? 0 : mask))
			rapid_broken("S2 disjoint", o->p, was, set ? 0 : mask);
	}
}

/* ---- S3: contents */

static uint64_t word_of(const struct object *o, size_t at)
{
	return (o->tag + at) * 0x9e3779b97f4a7c15u;
}

/* The next offset that carries a word; usable sizes need not be multiples of eight: the rest is
 * bytes. */
static size_t step(const struct object *o, size_t at)
{
	if (o->usable <= WHOLE || at + 8 < END || at + END >= o->usable)
		return at + 8;
	return min_size(round_down(at, APART) + APART, round_down(o->usable - END, 8));
}

static void paint(const struct object *o)
{
	size_t at = 0;

	for (; at + 8 <= o->usable; at = step(o, at))
		memcpy(o->p + at, &(uint64_t){word_of(o, at)}, 8);
	if (at < o->usable)
		memset(o->p + at, (char)o->tag, o->usable - at);
}

/* The first `limit` bytes at p are as paint() left them in o. */
static void compare(const struct object *o, const char *p, size_t limit)
{
	size_t at = 0;
	uint64_t word;

	for (; at + 8 <= o->usable; at = step(o, at)) {
		if (at + 8 > limit)
			return;
		memcpy(&word, p + at, 8);
		if (word != word_of(o, at))
			rapid_broken("S3 contents", p + at, word, word_of(o, at));
	}
	for (; at < o->usable && at < limit; at++)
		if (p[at] != (char)o->tag)
			rapid_broken("S3 contents", p + at, (unsigned char)p[at],
			    (unsigned char)o->tag);
}

static void zeroed(const char *p, size_t n)
{
	for (size_t at = 0; at < n; at++)
		if (p[at] != 0)
			rapid_broken("S4 zeroed", p + at, (unsigned char)p[at], 0);
}

/* ---- one operation */

static void refused(struct worker *w, size_t n)
{
	const bool empty = n == 0 && (run.sys->traits & DMM_ZERO_IS_NULL);

	if (!empty && errno != ENOMEM)
		rapid_broken("S5 errno", NULL, (uint64_t)errno, ENOMEM);
	w->refused++;
}

static void given(struct worker *w, char *p, size_t n, size_t align)
{
	struct object *const o = &w->objects[w->count];

	*o = (struct object){p, n, heap_usable(&run.heap, p), rng_next(&w->rng)};
	if (!is_aligned(p, max_size(align, DMM_ALIGN_MIN)))
		rapid_broken("S1 aligned", p, (uintptr_t)p, align);
	if (o->usable < n)
		rapid_broken("S6 usable", p, o->usable, n);
	claim(o, true);
	paint(o);
	w->count++;
}

static struct object take(struct worker *w, size_t i)
{
	const struct object o = w->objects[i];
	w->objects[i] = w->objects[--w->count];
	return o;
}

/* Before the heap may touch it again. */
static void untouched(const struct object *o)
{
	const size_t usable = heap_usable(&run.heap, o->p);

	if (usable != o->usable)
		rapid_broken("S6 usable", o->p, usable, o->usable);
	compare(o, o->p, SIZE_MAX);
}

static void do_free(struct worker *w, size_t i)
{
	const struct object o = take(w, i);

	untouched(&o);
	claim(&o, false);
	errno = NO_ERRNO;
	heap_free(&run.heap, o.p);
	if (errno != NO_ERRNO)
		rapid_broken("S5 errno", o.p, (uint64_t)errno, NO_ERRNO);
}

static void do_realloc(struct worker *w, size_t i, size_t n)
{
	const struct object o = take(w, i);

	untouched(&o);
	claim(&o, false);
	errno = NO_ERRNO;
	char *const p = heap_realloc(&run.heap, o.p, n);
	if (p != NULL) {
		compare(&o, p, min_size(o.usable, n));
		given(w, p, n, 1);
		return;
	}
	refused(w, n);
	compare(&o, o.p, SIZE_MAX);
	claim(&o, true);
	w->objects[w->count++] = o;
}

static void do_malloc(struct worker *w, size_t n)
{
	errno = NO_ERRNO;
	char *const p = heap_malloc(&run.heap, n);

	if (p == NULL)
		refused(w, n);
	else
		given(w, p, n, 1);
}

static void do_calloc(struct worker *w, size_t count, size_t n)
{
	errno = NO_ERRNO;
	char *const p = heap_calloc(&run.heap, count, n);

	if (p == NULL) {
		refused(w, count * n);
		return;
	}
	zeroed(p, count * n);
	given(w, p, count * n, 1);
}

static void do_aligned(struct worker *w, size_t align, size_t n)
{
	errno = NO_ERRNO;
	char *const p = heap_aligned(&run.heap, align, n);

	if (p == NULL)
		refused(w, n);
	else
		given(w, p, n, align);
}

/* Requests that no heap can meet, and that it must refuse. */
static void do_absurd(struct worker *w)
{
	const size_t n = DMM_SIZE_MAX - rng_below(&w->rng,
	    70000) + (rng_below(&w->rng, 2) != 0 ? 1u << 20 : 0);

	errno = NO_ERRNO;
	void *const p = rng_below(&w->rng, 2) != 0 ? heap_malloc(&run.heap, n)
	    : heap_calloc(&run.heap, n, 3);
	if (p != NULL)
		rapid_broken("S5 errno", p, n, 0);
	refused(w, n);
}

/* ---- objects that change threads */

static struct object boxes[BOXES];
static pthread_mutex_t boxes_lock = PTHREAD_MUTEX_INITIALIZER;

static void hand_over(struct worker *w)
{
	const struct object mine = take(w, rng_below(&w->rng, w->count));
	const size_t box = rng_below(&w->rng, BOXES);

	pthread_mutex_lock(&boxes_lock);
	const struct object theirs = boxes[box];
	boxes[box] = mine;
	pthread_mutex_unlock(&boxes_lock);
	if (theirs.p != NULL)
		w->objects[w->count++] = theirs;
}

/* ---- phases */

static void phase_draw(struct worker *w)
{
	static const size_t targets[] = {2, 6, 20, 20, 60, 60, 100, 1000};
	const size_t kinds = sizeof targets / sizeof *targets;

	w->sizes = (unsigned)rng_below(&w->rng, 16);
	w->target = targets[rng_below(&w->rng, kinds)];
	if (w->target == 1000 && !(run.sys->traits & DMM_THREADS) && rng_below(&w->rng, 16) != 0)
		w->target = 40; /* long lists are slow, and torture's */
	w->phase_left = 1 + rng_below(&w->rng, PHASE_OPS);
	w->refusals = run.threads == 1 && rng_below(&w->rng, 6) == 0;
	for (int i = 0; i < 4; i++)
		w->few[i] = 1 + rng_below(&w->rng, 400);
}

static size_t draw_size(struct worker *w)
{
	struct rng *const r = &w->rng;

	if (w->sizes < 5)
		return rng_below(r, 65);
	if (w->sizes < 9)
		return rng_below(r, 513);
	if (w->sizes < 12)
		return w->few[rng_below(r, 4)];
	if (w->sizes < 14)
		return rng_below(r, (size_t)2 << rng_below(r, 13));
	if (w->sizes < 15) {
		const size_t near = (size_t)1 << rng_below(r, 14);
		return near + 20 - min_size(near + 20, rng_below(r, 41));
	}
	return rng_below(r, 32) == 0 ? rng_below(r, 600000) : rng_below(r, 5000);
}

static void operate(struct worker *w)
{
	const uint64_t dice = rng_below(&w->rng, 1024);
	const bool give = w->count == 0 || rng_below(&w->rng, 3) < (w->count < w->target ? 2 : 1);
	const size_t i = w->count != 0 ? rng_below(&w->rng, w->count) : 0;

	if (dice < 1)
		do_absurd(w);
	else if (dice < 130 && w->count > 0)
		do_realloc(w, i, 1 + draw_size(w));
	else if (dice < 200 && w->count > 0 && run.threads > 1)
		hand_over(w);
	else if (!give || w->count == SLOTS)
		do_free(w, i);
	else if (dice < 350)
		do_calloc(w, 1 + rng_below(&w->rng, 4), draw_size(w) / 3);
	else if (dice < 390)
		do_aligned(w, (size_t)1 << rng_below(&w->rng, 13), min_size(draw_size(w), 20000));
	else
		do_malloc(w, draw_size(w));
}

void *rapid_work(void *arg)
{
	struct worker *const w = arg;

	for (; w->left > 0; w->left--) {
		if (w->phase_left == 0)
			phase_draw(w);
		w->phase_left--;
		run.fault.fail_at = w->refusals && rng_below(&w->rng, 8) == 0 ? run.fault.calls + 1
		    : 0;
		operate(w);
		atomic_store_explicit(&w->done, atomic_load_explicit(&w->done,
		    memory_order_relaxed) + 1,
		    memory_order_relaxed);
	}
	if (run.threads == 1)
		run.fault.fail_at = 0;
	return NULL;
}

/* ---- sums */

void rapid_free_all(void)
{
	struct worker *const w = &run.workers[0];

	for (size_t i = 0; i < BOXES; i++) {
		if (boxes[i].p == NULL)
			continue;
		w->objects[w->count++] = boxes[i];
		do_free(w, w->count - 1);
		boxes[i].p = NULL;
	}
	for (unsigned t = 0; t < run.threads; t++)
		while (run.workers[t].count > 0)
			do_free(&run.workers[t], run.workers[t].count - 1);
}

uint64_t rapid_done(void)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < run.threads; i++)
		n += atomic_load_explicit(&run.workers[i].done, memory_order_relaxed);
	return n;
}

uint64_t rapid_refused(void)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < run.threads; i++)
		n += run.workers[i].refused;
	return n;
}

size_t rapid_live(void)
{
	size_t n = 0;
	for (unsigned i = 0; i < run.threads; i++)
		n += run.workers[i].count;
	for (size_t i = 0; i < BOXES; i++)
		n += boxes[i].p != NULL;
	return n;
}
