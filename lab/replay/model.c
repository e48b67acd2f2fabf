/* model.c - every call of a recording as a call to one heap, on simulated memory.
 *
 * Payloads are not touched, so that only what the system itself writes costs memory and time.  What
 * a call will need is fetched a few calls ahead: the time that is left is the system's.
 */
#include "replay/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/clock.h"
#include "cli/progress.h"

enum { AHEAD_SLOT = 16, AHEAD_CHUNK = 6, BUDGET_MARKS = 64 /* between two looks at the time */ };
/* A walk finds the tables, so they are measured this often in a run, and count as much until the
 * next time. */
enum { TABLE_LOOKS = 16 };

struct replay_model {
	struct os_arena arena;
	struct heap heap;
	const struct replay_ops *ops;
	struct ops_window window;
	struct ops_clock clock;
	struct model_result *r;
	struct model_cell *cell;
	struct tcache *tcache; /* before the heap; NULL: none */
	const struct model_observer *observer; /* NULL: nobody watches */
	struct model_life *life; /* beside `cell`, for it */
	uint64_t calls;
	double runs, runs_done; /* for progress: of all that are to come */
	bool touching;    /* tell the arena what the program would write to */
	bool averaging;   /* this run finds the mean */
	uint64_t payload;
	uint64_t peak;    /* bytes of the arena, at most */
	uint64_t peak_tables; /* as last measured before the peak */
	uint64_t peak_at; /* the number of ops before the first peak */
	struct held_time time;
	double area;      /* without times: bytes of footprint x calls */
	double budget_s, began_s; /* of CPU time; budget_s 0: any */
};

static void stop(struct replay_model *m, const char *why, size_t at)
{
	if (m->r->problem[0] == '\0')
		snprintf(m->r->problem, sizeof m->r->problem, "%s after %llu calls", why,
		    (unsigned long long)replay_ops_calls(m->ops, at));
}

/* Seconds of this thread: what else runs on the machine is no matter. */
static double cpu_now(void)
{
	return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- one call -------------------------------------------------------------------------------- */

static void give(struct replay_model *m, const struct replay_op *op, struct model_cell *c)
{
	c->p = tcache_pop(m->tcache, op);
	if (c->p == NULL)
		c->p = op->align_log2 > 4
		    ? heap_aligned(&m->heap, (size_t)1 << op->align_log2, op->size)
		    : heap_malloc(&m->heap, op->size);
	c->size = op->size;
	m->payload += op->size;
	if (m->touching)
		os_arena_touch(&m->arena, c->p, op->size);
	if (__builtin_expect(c->p == NULL && op->size != 0, 0))
		m->r->failed++;
}

static void take(struct replay_model *m, struct model_cell *c)
{
	if (!tcache_push(m->tcache, c->p, c->size))
		heap_free(&m->heap, c->p);
	m->payload -= c->size;
	*c = (struct model_cell){0};
}

static void resize(struct replay_model *m, const struct replay_op *op, struct model_cell *c)
{
	if (c->p == NULL || op->size == 0) {
		take(m, c);
		give(m, op, c);
		return;
	}
	void *const q = heap_realloc(&m->heap, c->p, op->size);
	if (q == NULL) {
		m->r->failed++;
		heap_free(&m->heap, c->p);
	}
	if (m->touching)
		os_arena_touch(&m->arena, q, op->size);
	m->payload += op->size - c->size;
	*c = (struct model_cell){q, op->size};
}

static inline void perform(struct replay_model *m, const struct replay_op *op)
{
	struct model_cell *const c = &m->cell[op->slot];
	const unsigned class = trace_class[op->op];

	if ((class & TRACE_IS_ALLOC) != 0)
		give(m, op, c);
	else if ((class & TRACE_IS_FREE) != 0)
		take(m, c);
	else if ((class & TRACE_IS_REALLOC) != 0)
		resize(m, op, c);
}

/* The same under an observer's eyes. */
static void perform_watched(struct replay_model *m, const struct replay_op *op)
{
	const struct model_cell *const c = &m->cell[op->slot];
	struct model_life *const l = &m->life[op->slot];
	const unsigned class = trace_class[op->op];
	const uint64_t call = m->calls + 1;

	if ((class & (TRACE_IS_FREE | TRACE_IS_REALLOC)) != 0 && c->p != NULL)
		m->observer->gone(m->observer->arg, c, l, call);
	perform(m, op);
	if ((class & (TRACE_IS_ALLOC | TRACE_IS_REALLOC)) != 0)
		*l = (struct model_life){(uint32_t)call, op->stack};
	m->calls += (op->flags & OP_IMPLIED) == 0;
}

/* The metadata before an object and after it: headers and footers, its own and its neighbours'. */
static inline void fetch_ahead(const struct replay_model *m, const struct replay_op *op)
{
	const struct model_cell *const next = &m->cell[op[AHEAD_CHUNK].slot];

	__builtin_prefetch(&m->cell[op[AHEAD_SLOT].slot], 1);
	if (next->p != NULL) {
		__builtin_prefetch((const char *)next->p - 16, 1);
		__builtin_prefetch((const char *)next->p + next->size, 1);
	}
}

/* Ops [from, to), between two marks of time at most; op: the first. */
static inline void perform_some(struct replay_model *m, const struct replay_op *op, size_t from,
    size_t to)
{
	const size_t ahead_end = m->ops->head->count > AHEAD_SLOT ? m->ops->head->count - AHEAD_SLOT
	    : 0;
	uint64_t peak = m->peak;

	for (size_t i = from; i < to; i++, op++) {
		if (i < ahead_end)
			fetch_ahead(m, op);
		if (m->life == NULL)
			perform(m, op);
		else
			perform_watched(m, op);
		if (__builtin_expect(os_arena_footprint(&m->arena) > peak, 0)) {
			peak = os_arena_footprint(&m->arena);
			m->peak_at = i + 1;
		}
	}
	if (peak != m->peak)
		m->peak_tables = m->time.tables;
	m->peak = peak;
}

static bool budget_is_spent(const struct replay_model *m)
{
	return m->budget_s > 0 && cpu_now() - m->began_s > m->budget_s;
}

static void tell_share(const struct replay_model *m, size_t at)
{
	progress_share((m->runs_done + (double)at / (double)m->ops->head->count) / m->runs);
}

/* In the run that finds the mean, at the same marks in every command. */
static void look_at_tables(struct replay_model *m, size_t mark)
{
	const size_t marks = m->ops->head->count / OPS_A_MARK + 1;

	if (m->averaging && mark % max_size(1, marks / TABLE_LOOKS) == 0)
		m->time.tables = held_tables(&m->heap, &m->arena);
}

/* Ops [from, to), moving the simulated clock wherever the recording knows the time. */
static void perform_range(struct replay_model *m, size_t from, size_t to)
{
	while (from < to) {
		const size_t number = from / OPS_A_MARK;
		const uint64_t ns = ops_clock_ns(&m->clock, from);
		const size_t end = min_size(ops_clock_next(&m->clock, from), to);
		if (m->ops->head->timeless)
			m->area += (double)(os_arena_footprint(&m->arena) + m->time.tables) *
			    (double)(end - from);
		else
			held_advance(&m->time, &m->heap, &m->arena, ns);
		if (from % OPS_A_MARK == 0)
			look_at_tables(m, number);
		if (from % (OPS_A_MARK * BUDGET_MARKS) == 0)
			tell_share(m, from);
		if (from % (OPS_A_MARK * BUDGET_MARKS) == 0 && budget_is_spent(m)) {
			stop(m, "it takes too long: stopped", from);
			return;
		}
		const struct replay_op *const op = ops_window_at(&m->window, from);
		if (op == NULL) {
			stop(m, "no address space for the calls: stopped", from);
			return;
		}
		perform_some(m, op, from, end);
		from = end;
	}
}

/* ---- a run ----------------------------------------------------------------------------------- */

static bool open_heap(struct replay_model *m)
{
	const struct subject *const s = m->r->subject;
	int error = held_arena_open(&m->arena);

	m->payload = m->peak = m->peak_at = m->peak_tables = m->r->failed = 0;
	m->time = (struct held_time){0};
	m->clock = (struct ops_clock){.ops = m->ops};
	m->area = 0;
	m->began_s = cpu_now();
	if (error != 0) {
		snprintf(m->r->problem, sizeof m->r->problem, "no address space for a model: %s",
		    strerror(-error));
		return false;
	}
	error = held_open(&m->heap, s, m->ops->head->threads, &m->arena);
	if (error == 0)
		return true;
	snprintf(m->r->problem, sizeof m->r->problem, "cannot be opened: %s", strerror(-error));
	os_arena_close(&m->arena);
	return false;
}

static void close_heap(struct replay_model *m)
{
	m->runs_done++;
	if (m->arena.refused > 0 && m->r->problem[0] == '\0')
		stop(m, "out of memory: the kernel refused memory to the simulated heap",
		    m->ops->head->count);
	heap_close(&m->heap);
	os_arena_close(&m->arena);
	memset(m->cell, 0, m->ops->head->slots * sizeof *m->cell);
}

/* Of a run that has come to its end. */
static void tell_time(struct replay_model *m)
{
	const size_t count = m->ops->head->count;
	const uint64_t ns = replay_ops_ns(m->ops, count);

	if (!m->ops->head->timeless)
		held_advance(&m->time, &m->heap, &m->arena, ns);
	const double whole = m->ops->head->timeless ? (double)count : (double)ns;
	m->r->end = os_arena_footprint(&m->arena) + held_tables(&m->heap, &m->arena);
	m->r->mean = whole > 0 ? (m->area + m->time.byte_ns) / whole : (double)m->r->end;
}

/* Nothing but the calls.  Returns when the arena was largest. */
static uint64_t run_plain(struct replay_model *m, uint64_t *peak)
{
	const double began = cpu_now();
	struct held_steps *const steps = &m->r->counted;

	held_steps_begin(steps, &m->arena);
	m->averaging = m->touching;
	perform_range(m, 0, m->ops->head->count);
	m->averaging = false;
	m->r->steps = held_steps_end(steps, &m->arena, m->ops->head->calls);
	m->r->seconds = cpu_now() - began;
	m->r->os_calls = m->arena.calls;
	tell_time(m);
	*peak = m->peak;
	m->r->peak_op = m->peak_at;
	return m->peak_at;
}

/* A design that frees nothing walks what is dead as live: what the objects that are left can use
 * tells the two apart. */
static void tell_dead(const struct replay_model *m, struct accounting *a)
{
	struct heap *const h = (struct heap *)&m->heap;
	uint64_t usable = 0, live = a->part[PART_PAYLOAD] + a->part[PART_PADDING];

	for (size_t i = 0; i < m->ops->head->slots; i++)
		usable += heap_usable(h, m->cell[i].p);
	a->part[PART_PADDING] = usable - a->part[PART_PAYLOAD];
	a->part[PART_RETAINED] += live - usable;
}

static void look(struct replay_model *m, struct accounting *a, size_t at)
{
	a->events = replay_ops_calls(m->ops, at);
	a->ns = replay_ops_ns(m->ops, at);
	if (at == m->ops->head->count && !m->ops->head->timeless)
		held_advance(&m->time, &m->heap, &m->arena, a->ns);
	if (!accounting_take(a, &m->heap, &m->arena, m->payload) && m->r->failed == 0)
		stop(m, "the walk does not sum to the footprint", at);
	if ((m->heap.sys->traits & DMM_FREES) == 0)
		tell_dead(m, a);
	if (a->footprint > m->r->peak.footprint)
		m->r->peak = *a;
}

static void show(struct replay_model *m, const struct accounting *now, size_t sample, bool peak)
{
	const struct model_view view = {&m->heap, &m->arena, now, m->cell, m->life,
	    m->ops->head->slots, m->payload};

	if (m->observer != NULL && peak)
		m->observer->at_peak(m->observer->arg, &view);
	if (m->observer != NULL && sample != SIZE_MAX)
		m->observer->sampled(m->observer->arg, &view, sample);
}

/* Where the heap is walked: at even steps from `first` to `last`, and at the two peaks. */
static void run_looking(struct replay_model *m, size_t first, size_t last, uint64_t peak_at)
{
	const size_t count = m->ops->head->count;
	const uint64_t payload_at = m->ops->head->peak_at + (count != 0);
	struct accounting a;

	for (size_t at = 0, k = first; k <= last && m->r->problem[0] == '\0';) {
		const size_t even = k == last ? count
		    : (size_t)((double)count * (double)k / (double)last);
		size_t next = even;
		if (peak_at > at && peak_at < next)
			next = peak_at;
		if (payload_at > at && payload_at < next)
			next = payload_at;
		const bool is_peak = next == payload_at && at < next;
		perform_range(m, at, next);
		at = next;
		struct accounting *const now = next == even ? &m->r->samples[k - first] : &a;
		look(m, now, at);
		show(m, now, next == even ? k - first : SIZE_MAX, is_peak);
		k += next == even;
		m->r->sample_count = k - first;
	}
}

/* The run that looked, and the plain one before it. */
static void compare_runs(struct replay_model *m, uint64_t peak, uint64_t peak_at)
{
	if (m->r->failed != 0)
		stop(m, "out of simulated memory or mappings", m->ops->head->count);
	else if (m->peak != peak || m->peak_at != peak_at)
		stop(m, "looking at the heap changed it: the peaks of two runs differ", peak_at);
}

static void run(struct replay_model *m, size_t samples)
{
	uint64_t peak;

	if (!open_heap(m))
		return;
	uint64_t peak_at = run_plain(m, &peak);
	m->touching = m->arena.reserved_bytes != 0;
	m->runs += m->touching;
	close_heap(m);
	if (m->touching && open_heap(m)) {
		const double seconds = m->r->seconds;
		peak_at = run_plain(m, &peak);
		m->r->seconds = seconds; /* the system's alone */
		close_heap(m);
	}
	if (!open_heap(m))
		return;
	run_looking(m, 0, samples, peak_at);
	compare_runs(m, peak, peak_at);
	close_heap(m);
}

/* Two runs; the second, which looks, takes most of the time. */
static void run_watched(struct replay_model *m, size_t samples, struct model_life *life)
{
	static const double first_share = 0.2;
	uint64_t peak;

	m->touching = true;
	progress_part(0, first_share);
	if (!open_heap(m))
		return;
	const uint64_t peak_at = run_plain(m, &peak);
	close_heap(m);
	progress_part(first_share, 1);
	m->runs_done = 0;
	m->life = life;
	if (m->r->problem[0] != '\0' || !open_heap(m))
		return;
	run_looking(m, 1, samples, peak_at);
	compare_runs(m, peak, peak_at);
	close_heap(m);
}

static bool open_model(struct replay_model *m, struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject)
{
	const size_t len = (ops->head->slots + 1) * sizeof *m->cell;

	*r = (struct model_result){.subject = subject, .calls = ops->head->calls,
	    .peak_payload = ops->head->peak_payload};
	*m = (struct replay_model){.ops = ops, .r = r, .window = {.ops = ops}};
	static_assert((int)AHEAD_SLOT < (int)OPS_BEYOND && OPS_A_WINDOW % OPS_A_MARK == 0,
	    "what is looked at lies in the window");
	m->cell = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return m->cell != MAP_FAILED;
}

static void close_model(struct replay_model *m)
{
	ops_window_close(&m->window);
	munmap(m->cell, (m->ops->head->slots + 1) * sizeof *m->cell);
}

bool model_replay(struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject,
    size_t samples)
{
	static struct replay_model m;

	if (!open_model(&m, r, ops, subject))
		return false;
	r->samples = calloc(samples + 1, sizeof *r->samples);
	m.runs = 2;
	progress_begin("replaying on a model of %s", subject->name);
	if (r->samples != NULL)
		run(&m, samples);
	progress_end();
	close_model(&m);
	return r->samples != NULL;
}

bool model_watch(struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject, size_t samples, const struct model_observer *observer)
{
	static struct replay_model m;
	struct model_life *const life = calloc(ops->head->slots + 1, sizeof *life);
	const bool fine = life != NULL && open_model(&m, r, ops, subject);

	if (fine) {
		m.observer = observer;
		m.runs = 1;
		r->samples = calloc(samples + 1, sizeof *r->samples);
		if (r->samples != NULL)
			run_watched(&m, max_size(1, min_size(samples, ops->head->count)), life);
		close_model(&m);
	}
	free(life);
	return fine && r->samples != NULL;
}

bool model_memory(struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject, double budget_s, struct tcache *tcache)
{
	static struct replay_model m;
	uint64_t peak = 0;

	if (!open_model(&m, r, ops, subject))
		return false;
	m.tcache = tcache;
	m.touching = true;
	m.budget_s = budget_s;
	m.runs = 1;
	progress_begin("replaying on a model of %s", subject->name);
	if (open_heap(&m)) {
		run_plain(&m, &peak);
		r->peak.footprint = peak + m.peak_tables;
		if (r->failed != 0 && r->problem[0] == '\0')
			stop(&m, "out of simulated memory or mappings", ops->head->count);
		close_heap(&m);
	}
	progress_end();
	close_model(&m);
	return true;
}

void model_free(struct model_result *r)
{
	free(r->samples);
	r->samples = NULL;
}
