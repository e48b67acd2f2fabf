/* run.c - the ops of a recording, by as many threads as it had.
 *
 * Who may touch what:
 *   object.p, .size        the thread whose turn it is; handed on by object.turn (release, acquire)
 *   epochs.done            grows; written under epochs.lock
 *   epochs.count[e]        added to by every thread once, when it leaves epoch e
 *   worker.payload ...     the thread itself; others read them for a sample
 *
 * No op waits for a later one of the recording's order, so the first that is not done can always go
 * on.
 */
#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/ticks.h"
#include "replay/replayer/private.h"

enum {
	STACK_LEN = 256 << 10, STACK_TOUCHED = 16 << 10, STACKS_TOUCHED = 1024,
	SPINS = 200, AHEAD = 16, TOUCH_BYTES = 256, PAGE = 4096,
};

struct replay_worker {
	const struct replay_thread *thread;
	uint64_t epoch_end;   /* the first op that is not of the present epoch */
	uint32_t in_epoch;    /* done in it, not yet told */
	/* may wrap: only the sum over all threads means something */
	_Atomic uint64_t payload, usable;
	uint64_t failed;
} __attribute__((aligned(64)));

static struct {
	pthread_mutex_t lock;
	_Atomic uint32_t done; /* epochs [0, done) are */
	_Atomic uint32_t sleepers;
	_Atomic uint32_t *count;
	size_t spawned; /* workers that were started */
	uint64_t next_sample;
} epochs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct replay_worker *workers;
static char *stacks;
static _Atomic uint32_t left; /* workers still at it */

static void futex_wait(_Atomic uint32_t *at, uint32_t seen)
{
	syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *at)
{
	syscall(SYS_futex, at, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void pause_a_little(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* ---- whose turn it is ------------------------------------------------------------------------ */

static bool is_turn(struct object *o, uint32_t turn)
{
	return (int32_t)(atomic_load_explicit(&o->turn, memory_order_acquire) - turn) >= 0;
}

static void wait_turn(struct object *o, uint32_t turn)
{
	for (int i = 0; i < SPINS; i++) {
		if (is_turn(o, turn))
			return;
		pause_a_little();
	}
	while (!is_turn(o, turn)) {
		const uint32_t seen = atomic_load(&o->turn);
		atomic_store(&o->waiting, 1);
		if (!is_turn(o, turn))
			futex_wait(&o->turn, seen);
	}
}

static void hand_on(struct object *o)
{
	atomic_fetch_add(&o->turn, 1);
	if (atomic_load(&o->waiting) != 0) {
		atomic_store(&o->waiting, 0);
		futex_wake(&o->turn);
	}
}

/* ---- epochs ---------------------------------------------------------------------------------- */

static void *work(void *arg);

static void start(struct replay_worker *w)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstack(&attr, stacks + (size_t)(w - workers) * STACK_LEN, STACK_LEN);
	const int error = pthread_create(&t, &attr, work, w);
	if (error != 0) {
		errno = error;
		self_die("cannot start as many threads as the recording has");
	}
	pthread_attr_destroy(&attr);
}

/* Threads whose first op may come now.  As in the program, one of the threads starts them. */
static void spawn(uint32_t done)
{
	const struct replay_ops *const o = &replay.ops;

	while (epochs.spawned < o->head->threads &&
	    o->index[o->thread[epochs.spawned].first] / OPS_AN_EPOCH <= done + 1)
		start(&workers[epochs.spawned++]);
}

static uint32_t ops_of_epoch(uint32_t e)
{
	const uint64_t count = replay.ops.head->count, from = (uint64_t)e * OPS_AN_EPOCH;
	return (uint32_t)(count - from < OPS_AN_EPOCH ? count - from : OPS_AN_EPOCH);
}

static void advance(void)
{
	const uint32_t all = (uint32_t)((replay.ops.head->count + OPS_AN_EPOCH - 1) / OPS_AN_EPOCH);

	pthread_mutex_lock(&epochs.lock);
	const uint32_t was = atomic_load(&epochs.done);
	uint32_t done = was;
	while (done < all && atomic_load(&epochs.count[done]) == ops_of_epoch(done))
		done++;
	if (done != was) {
		atomic_store(&epochs.done, done);
		if (atomic_load(&epochs.sleepers) != 0)
			futex_wake(&epochs.done);
		const uint64_t ops = (uint64_t)done * OPS_AN_EPOCH;
		if (replay.mode == REPLAY_MEMORY && ops >= epochs.next_sample && done < all) {
			run_sample(ops);
			epochs.next_sample = ops + replay.ops.head->count / REPLAY_SAMPLES_MAX;
		}
		spawn(done);
	}
	pthread_mutex_unlock(&epochs.lock);
}

static void leave_epoch(struct replay_worker *w)
{
	if (w->in_epoch == 0)
		return;
	const uint32_t e = (uint32_t)(w->epoch_end / OPS_AN_EPOCH - 1);
	const uint32_t n = w->in_epoch + atomic_fetch_add(&epochs.count[e], w->in_epoch);
	w->in_epoch = 0;
	if (n == ops_of_epoch(e))
		advance();
}

/* Op i is of another epoch than the op before it: wait until it may begin. */
static void enter_epoch(struct replay_worker *w, uint64_t i)
{
	const uint32_t e = (uint32_t)(i / OPS_AN_EPOCH);

	leave_epoch(w);
	w->epoch_end = ((uint64_t)e + 1) * OPS_AN_EPOCH;
	for (int k = 0; k < SPINS && atomic_load(&epochs.done) + 1 < e; k++)
		pause_a_little();
	for (uint32_t done; (done = atomic_load(&epochs.done)) + 1 < e;) {
		atomic_fetch_add(&epochs.sleepers, 1);
		if (atomic_load(&epochs.done) == done)
			futex_wait(&epochs.done, done);
		atomic_fetch_sub(&epochs.sleepers, 1);
	}
}

/* ---- an op ----------------------------------------------------------------------------------- */

static inline void touch(char *p, size_t from, size_t n)
{
	if (p == NULL || from >= n || replay.touch == TOUCH_NONE)
		return;
	if (replay.touch == TOUCH_FIRST) {
		memset(p + from, 1, n - from < 8 ? n - from : 8);
		return;
	}
	memset(p + from, 1, n - from < TOUCH_BYTES ? n - from : TOUCH_BYTES);
	for (size_t at = from + TOUCH_BYTES; at < n; at += PAGE)
		p[at] = 1;
	p[n - 1] = 1;
}

static inline uint64_t ticks(void)
{
#if defined(__x86_64__)
	__builtin_ia32_lfence();
	const uint64_t t = os_ticks();
	__builtin_ia32_lfence();
	return t;
#else
	return os_ticks();
#endif
}

static void note(enum replay_kind kind, uint64_t took)
{
	struct replay_result *const r = replay.result;

	took = took > replay.clock_cost ? took - replay.clock_cost : 0;
	__atomic_fetch_add(&r->hist[kind][hist_bucket(took)], 1, __ATOMIC_RELAXED);
	uint64_t longest = __atomic_load_n(&r->longest[kind], __ATOMIC_RELAXED);
	while (took > longest &&
	    !__atomic_compare_exchange_n(&r->longest[kind], &longest, took, true, __ATOMIC_RELAXED,
	        __ATOMIC_RELAXED))
		;
}

static void account(struct replay_worker *w, int64_t payload, int64_t usable)
{
	atomic_store_explicit(&w->payload, w->payload + (uint64_t)payload, memory_order_relaxed);
	atomic_store_explicit(&w->usable, w->usable + (uint64_t)usable, memory_order_relaxed);
}

/* `mode` is constant where this is expanded: a timed run has no trace of the others. */
static inline __attribute__((always_inline)) void perform(struct replay_worker *w,
    const struct replay_op *op,
    struct object *o, const enum replay_mode mode)
{
	const unsigned class = trace_class[op->op];
	const bool resizes = (class & TRACE_IS_REALLOC) != 0;
	const size_t had = o->size;
	uint64_t began = 0, ended = 0;

	if (mode == REPLAY_MEMORY)
		account(w, -(int64_t)had, -(int64_t)malloc_usable_size(o->p));
	if (mode == REPLAY_LATENCY)
		began = ticks();
	if ((class & TRACE_IS_FREE) != 0) {
		call_free(op, o->p, had);
		ended = mode == REPLAY_LATENCY ? ticks() : 0;
		o->p = NULL;
		o->size = 0;
	} else {
		void *const p = call_alloc(op, o->p);
		ended = mode == REPLAY_LATENCY ? ticks() : 0;
		if (p == NULL && op->size != 0) {
			w->failed++;
			if (resizes) /* as if the program gave up on it */
				call_free(&(struct replay_op){.op = TRACE_OP_FREE}, o->p, had);
		}
		o->p = p;
		o->size = p != NULL ? op->size : 0;
		touch(p, resizes ? had : 0, op->size);
	}
	if (mode == REPLAY_LATENCY)
		note((class & TRACE_IS_FREE) != 0 ? KIND_FREE : resizes ? KIND_REALLOC
		    : KIND_MALLOC,
		    ended - began);
	if (mode == REPLAY_MEMORY)
		account(w, (int64_t)o->size, (int64_t)malloc_usable_size(o->p));
}

/* ---- one thread ------------------------------------------------------------------------------ */

/* Wait until op i is due, and return the next op that has a time. */
static uint64_t keep_pace(struct ops_clock *clock, uint64_t i)
{
	pace_reach(ops_clock_ns(clock, i));
	return ops_clock_next(clock, i);
}

static inline __attribute__((always_inline)) void run_alone(struct replay_worker *w,
    const enum replay_mode mode)
{
	const struct replay_ops *const o = &replay.ops;
	const uint64_t n = o->head->count, step = n / REPLAY_SAMPLES_MAX + 1;
	struct ops_clock clock = {.ops = o};
	uint64_t timed = 0;

	for (uint64_t i = 0; i < n; i++) {
		if (mode == REPLAY_MEMORY && i % step == 0)
			run_sample(i);
		if (mode == REPLAY_PACE && i >= timed)
			timed = keep_pace(&clock, i);
		if (i + AHEAD < n)
			__builtin_prefetch(&replay.object[o->op[i + AHEAD].slot], 1);
		if (o->op[i].op != TRACE_OP_NONE)
			perform(w, &o->op[i], &replay.object[o->op[i].slot], mode);
	}
}

static inline __attribute__((always_inline)) void run_one_of_many(struct replay_worker *w,
    const enum replay_mode mode)
{
	const struct replay_ops *const o = &replay.ops;
	const uint32_t *const index = o->index + w->thread->first;
	const uint32_t n = w->thread->count;
	struct ops_clock clock = {.ops = o};
	uint64_t timed = 0;

	for (uint32_t k = 0; k < n; k++) {
		const uint64_t i = index[k];
		if (mode == REPLAY_PACE && i >= timed)
			timed = keep_pace(&clock, i);
		const struct replay_op *const op = &o->op[i];
		struct object *const object = &replay.object[op->slot];
		if (i >= w->epoch_end)
			enter_epoch(w, i);
		if (k + AHEAD < n)
			__builtin_prefetch(&o->op[index[k + AHEAD]]);
		if ((op->flags & OP_WAITS) != 0)
			wait_turn(object, op->turn);
		if (op->op != TRACE_OP_NONE)
			perform(w, op, object, mode);
		if ((op->flags & OP_HANDS) != 0)
			hand_on(object);
		w->in_epoch++;
	}
	leave_epoch(w);
}

static void *work(void *arg)
{
	struct replay_worker *const w = arg;
	const bool alone = replay.ops.index == NULL;

	switch (replay.mode) {
	case REPLAY_TIME:
		alone ? run_alone(w, REPLAY_TIME) : run_one_of_many(w, REPLAY_TIME);
		break;
	case REPLAY_LATENCY:
		alone ? run_alone(w, REPLAY_LATENCY) : run_one_of_many(w, REPLAY_LATENCY);
		break;
	case REPLAY_MEMORY:
		alone ? run_alone(w, REPLAY_MEMORY) : run_one_of_many(w, REPLAY_MEMORY);
		break;
	case REPLAY_PACE:
		alone ? run_alone(w, REPLAY_PACE) : run_one_of_many(w, REPLAY_PACE);
	}
	__atomic_fetch_add(&replay.result->failed, w->failed, __ATOMIC_RELAXED);
	if (atomic_fetch_sub(&left, 1) == 1)
		futex_wake(&left);
	return NULL;
}

void run_prepare(void)
{
	const struct replay_head *const h = replay.ops.head;

	workers = self_map((h->threads + 1) * sizeof *workers);
	for (size_t i = 0; i < h->threads; i++)
		workers[i].thread = &replay.ops.thread[i];
	replay.object = self_map((h->slots + 1) * sizeof *replay.object);
	if (h->threads < 2)
		return;
	epochs.count = self_map((h->count / OPS_AN_EPOCH + 1) * sizeof *epochs.count);
	stacks = mmap(NULL, h->threads * STACK_LEN, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stacks == MAP_FAILED)
		self_die("no memory for stacks");
	for (size_t i = 1; i < h->threads && i < STACKS_TOUCHED; i++)
		memset(stacks + (i + 1) * STACK_LEN - STACK_TOUCHED, 0, STACK_TOUCHED);
}

void run_all(void)
{
	const size_t threads = replay.ops.head->threads;

	atomic_store(&left, (uint32_t)threads);
	if (threads == 0)
		return;
	if (threads > 1) {
		if (replay.mode == REPLAY_MEMORY)
			run_sample(0);
		pthread_mutex_lock(&epochs.lock);
		epochs.spawned = 1; /* this one */
		spawn(0);
		pthread_mutex_unlock(&epochs.lock);
	}
	work(&workers[0]);
	for (uint32_t n; (n = atomic_load(&left)) != 0;)
		futex_wait(&left, n);
}

void run_sample(uint64_t at)
{
	uint64_t payload = 0, usable = 0;

	for (size_t i = 0; i < replay.ops.head->threads; i++) {
		payload += atomic_load_explicit(&workers[i].payload, memory_order_relaxed);
		usable += atomic_load_explicit(&workers[i].usable, memory_order_relaxed);
	}
	self_sample(at, payload, usable);
}
