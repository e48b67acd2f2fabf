/* model.c - every event of a recording as a call to one heap, on simulated memory.
 *
 * Payloads are not touched, so that only what the system itself writes costs memory and time.
 * It runs twice: the first time over the calls made ready (replay/model.h), only to find when the
 * design holds most; the second time with looks.  An object's `user` is its address in the model's
 * heap.
 */
#include "report/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"
#include "replay/model.h"
#include "run/launch.h"

static const double FIRST_SHARE = 0.2; /* of the time of both runs */

struct watched_model {
	struct os_arena arena;
	struct heap heap;
	struct trace_file file;
	struct trace_stream stream;
	struct model_run *r;
	const struct model_observer *observer;
	uint64_t every, next_sample; /* in events */
	size_t sample_cap;
	size_t peak, first_peak; /* bytes of the arena, at most; in the first run */
	uint64_t peak_ops;       /* in the first run: the number of ops before the first peak */
	size_t threads;          /* that make calls */
	struct held_time time;
	/* as replay/ops.h counts them: the clock moves at every OPS_A_MARK-th */
	uint64_t ops;
	double area;             /* without times: bytes of footprint x calls */
	bool timeless;
};

static void stop(struct watched_model *m, const char *why)
{
	if (m->r->problem[0] == '\0')
		snprintf(m->r->problem, sizeof m->r->problem, "%s after %llu events", why,
		    (unsigned long long)m->stream.events);
}

static void *give(struct watched_model *m, const struct trace_event *ev)
{
	void *const p = ev->align_log2 > 4 ? heap_aligned(&m->heap, (size_t)1 << ev->align_log2,
	    ev->size)
	                                   : heap_malloc(&m->heap, ev->size);
	os_arena_touch(&m->arena, p, ev->size);
	if (p == NULL && ev->size != 0)
		m->r->failed++;
	return p;
}

static void *resize(struct watched_model *m, const struct step *s)
{
	void *const p = (void *)(uintptr_t)s->was.user;

	if (p == NULL || s->ev.size == 0) {
		heap_free(&m->heap, p);
		return give(m, &s->ev);
	}
	void *const q = heap_realloc(&m->heap, p, s->ev.size);
	os_arena_touch(&m->arena, q, s->ev.size);
	if (q != NULL)
		return q;
	m->r->failed++;
	heap_free(&m->heap, p);
	return NULL;
}

static void tell_gone(const struct watched_model *m, const struct live_object *o)
{
	m->observer->gone(m->observer->arg, o, m->stream.events);
}

static void perform(struct watched_model *m, const struct step *s)
{
	if (s->overlaid) {
		tell_gone(m, &s->dropped);
		heap_free(&m->heap, (void *)(uintptr_t)s->dropped.user);
	}
	if (s->kind == STEP_FREE || s->kind == STEP_RESIZE)
		tell_gone(m, &s->was);
	switch (s->kind) {
	case STEP_ALLOC:
		s->object->user = (uintptr_t)give(m, &s->ev);
		break;
	case STEP_FREE:
		heap_free(&m->heap, (void *)(uintptr_t)s->was.user);
		break;
	case STEP_RESIZE:
		s->object->user = (uintptr_t)resize(m, s);
		break;
	case STEP_NONE:
	case STEP_FOREIGN:
		break;
	}
	if (s->kind == STEP_ALLOC || s->kind == STEP_RESIZE)
		m->observer->placed(m->observer->arg, s->object, m->stream.events);
}

/* A design that frees nothing walks what is dead as live: what the objects that are left can use
 * tells the two apart. */
static void tell_dead(struct watched_model *m, struct accounting *a)
{
	const struct live *const live = &m->stream.live;
	const uint64_t all = a->part[PART_PAYLOAD] + a->part[PART_PADDING];
	uint64_t usable = 0;

	for (size_t i = 0; i < live->cap; i++)
		if (live->at[i].addr != 0)
			usable += heap_usable(&m->heap, (void *)(uintptr_t)live->at[i].user);
	a->part[PART_PADDING] = usable - a->part[PART_PAYLOAD];
	a->part[PART_RETAINED] += all - usable;
}

static void take(struct watched_model *m, struct accounting *a, uint64_t tick)
{
	a->events = m->stream.events;
	a->ns = trace_file_ns(&m->file, tick);
	if (!accounting_take(a, &m->heap, &m->arena, m->stream.payload) && m->r->failed == 0)
		stop(m, "the walk does not sum to the footprint");
	if ((m->heap.sys->traits & DMM_FREES) == 0)
		tell_dead(m, a);
	if (a->footprint > m->r->peak.footprint)
		m->r->peak = *a;
}

static void sample(struct watched_model *m, uint64_t tick)
{
	struct accounting *const a = &m->r->samples[m->r->sample_count];
	const struct model_view view = {&m->heap, &m->arena, &m->stream, a};

	m->next_sample += m->every;
	if (m->r->sample_count == m->sample_cap)
		return;
	take(m, a, tick);
	m->observer->sampled(m->observer->arg, &view, m->r->sample_count);
	m->r->sample_count++;
}

/* The one event that the observer asked for. */
static void look_at_moment(struct watched_model *m, uint64_t tick)
{
	struct accounting a;
	const struct model_view view = {&m->heap, &m->arena, &m->stream, &a};

	take(m, &a, tick);
	m->observer->moment(m->observer->arg, &view);
}

static void count_op(struct watched_model *m, uint64_t ns)
{
	if (m->timeless)
		m->area += (double)os_arena_footprint(&m->arena);
	else if (m->ops % OPS_A_MARK == 0)
		held_advance(&m->time, &m->heap, &m->arena, ns);
	m->ops++;
}

/* The clock, before a step: the same moments as those of a prepared recording. */
static void move_clock(struct watched_model *m, const struct step *s)
{
	if (s->ev.begin)
		return;
	const uint64_t ns = trace_file_ns(&m->file, s->ev.tick);
	count_op(m, ns);
	if (s->overlaid)
		count_op(m, ns);
}

/* All calls are done; the process may have gone on for a while. */
static void tell_time(struct watched_model *m, uint64_t last_tick)
{
	const uint64_t tick = last_tick > m->file.end_tick ? last_tick : m->file.end_tick;
	const uint64_t ns = trace_file_ns(&m->file, tick);

	if (!m->timeless)
		held_advance(&m->time, &m->heap, &m->arena, ns);
	const double whole = m->timeless ? (double)m->ops : (double)ns;
	m->r->end = os_arena_footprint(&m->arena);
	m->r->mean = whole > 0 ? (m->area + m->time.byte_ns) / whole : (double)m->r->end;
}

static inline void note_peak(struct watched_model *m)
{
	const size_t now = os_arena_footprint(&m->arena);

	if (__builtin_expect(now > m->peak, 0))
		m->peak = now;
}

static bool run_looking(struct watched_model *m, struct trace_error *e)
{
	const uint64_t payload_event = m->observer->moment_event;
	bool seen_peak = false;
	struct step step;
	uint64_t last = m->file.head.start_tick;
	struct accounting a;
	int r;

	m->every = m->file.events / (m->sample_cap - 1) + 1;
	m->next_sample = m->every;
	while ((r = trace_stream_next(&m->stream, &step, e)) > 0 && m->r->problem[0] == '\0') {
		last = step.ev.tick;
		move_clock(m, &step);
		perform(m, &step);
		note_peak(m);
		if (!seen_peak && m->ops >= m->peak_ops && !step.ev.begin) {
			take(m, &a, last);
			seen_peak = true;
		}
		if (m->stream.events == payload_event && !step.ev.begin)
			look_at_moment(m, last);
		if (m->stream.events >= m->next_sample)
			sample(m, last);
	}
	if (m->r->failed != 0)
		stop(m, "out of simulated memory or mappings");
	else if (r == 0 && m->r->problem[0] == '\0' && m->peak != m->first_peak)
		stop(m, "looking at the heap changed it: the peaks of two runs differ");
	tell_time(m, last);
	sample(m, last); /* the end */
	m->r->events = m->stream.events;
	m->r->peak_payload = m->stream.peak_payload;
	return r >= 0;
}

static bool open_heap(struct watched_model *m, const struct subject *s)
{
	int error = held_arena_open(&m->arena);

	if (error != 0) {
		snprintf(m->r->problem, sizeof m->r->problem, "no address space for a model: %s",
		    strerror(-error));
		return false;
	}
	error = held_open(&m->heap, s, m->threads, &m->arena);
	if (error == 0)
		return true;
	snprintf(m->r->problem, sizeof m->r->problem, "cannot be opened: %s", strerror(-error));
	os_arena_close(&m->arena);
	return false;
}

static bool look_at_all(struct watched_model *m, const struct subject *subject,
    struct trace_error *e)
{
	bool sound = true;

	if (!trace_stream_open(&m->stream, &m->file))
		return trace_fail(e, TRACE_NOWHERE, "no memory");
	m->r->failed = 0;
	m->time = (struct held_time){0};
	m->area = 0;
	m->ops = 0;
	if (open_heap(m, subject)) {
		sound = run_looking(m, e);
		heap_close(&m->heap);
		os_arena_close(&m->arena);
	}
	trace_stream_close(&m->stream);
	return sound;
}

/* Every call, without a look at the heap: finds the peak to the byte. */
static bool find_peak(struct watched_model *m, const struct replay_ops *ops,
    const struct subject *subject)
{
	struct model_result plain;

	progress_part(0, FIRST_SHARE);
	if (!model_memory(&plain, ops, subject, 0))
		return false;
	memcpy(m->r->problem, plain.problem, sizeof plain.problem);
	m->first_peak = plain.peak.footprint;
	m->peak_ops = plain.peak_op;
	progress_part(FIRST_SHARE, 1);
	return true;
}

bool model_watch(struct model_run *r, const char *path, const struct replay_ops *ops,
    const struct subject *subject, size_t samples,
    const struct model_observer *observer, struct trace_error *e)
{
	static struct watched_model m;
	const double began = launch_now();

	*r = (struct model_run){.subject = subject};
	m = (struct watched_model){.r = r, .observer = observer, .sample_cap = samples + 1,
	    .threads = ops->head->threads};
	r->samples = calloc(m.sample_cap, sizeof *r->samples);
	if (r->samples == NULL)
		return trace_fail(e, TRACE_NOWHERE, "no memory for %zu samples", samples);
	if (!trace_file_open(&m.file, path, e))
		return false;
	char clock[16];
	m.timeless = trace_file_value(&m.file, TRACE_META, "clock", clock, sizeof clock) &&
	    strcmp(clock, "none") == 0;
	const bool sound = !find_peak(&m, ops, subject)
	    ? trace_fail(e, TRACE_NOWHERE, "no memory to replay")
	    : r->problem[0] != '\0' || look_at_all(&m, subject, e);
	r->seconds = launch_now() - began;
	trace_file_close(&m.file);
	return sound;
}

void model_run_free(struct model_run *r)
{
	free(r->samples);
	r->samples = NULL;
}
