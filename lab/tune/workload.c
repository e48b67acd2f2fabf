/* workload.c - one pass over all calls. */
#include "tune/workload.h"

#include <stdlib.h>

#include "base/bits.h"

struct workload_object {
	uint64_t size, born; /* born: the op; live == false: no object */
	bool live;
};

struct workload_pass {
	struct facts *f;
	const struct replay_ops *ops;
	struct ops_window window;
	struct workload_object *object;
	uint64_t sizes[FACTS_SIZES + 1], powers[64]; /* requests by size; by power of two above */
	uint64_t small, objects, short_lived, live;
	uint64_t payload;
	struct ops_clock clock;
	uint64_t now; /* ns, or without times ops */
	double area;  /* under the payload */
};

static void count_size(struct workload_pass *p, uint64_t size)
{
	p->f->requests++;
	p->f->asked += size;
	p->small += size <= FACTS_SMALL;
	if (size <= FACTS_SIZES)
		p->sizes[size]++;
	else
		p->powers[log2_ceil(size)]++;
	if (size > p->f->size_most)
		p->f->size_most = size;
}

static void begin(struct workload_pass *p, struct workload_object *o, uint64_t size, size_t at)
{
	*o = (struct workload_object){size, at, true};
	p->payload += size;
	p->objects++;
	p->live++;
}

static void end(struct workload_pass *p, struct workload_object *o, size_t at)
{
	if (!o->live)
		return;
	p->short_lived += at - o->born <= FACTS_SHORT;
	p->payload -= o->size;
	p->live--;
	o->live = false;
}

/* An object that moves or grows is the same object. */
static void resize(struct workload_pass *p, struct workload_object *o, uint64_t size, size_t at)
{
	if (!o->live) {
		begin(p, o, size, at);
		return;
	}
	p->payload += size - o->size;
	o->size = size;
}

static void perform(struct workload_pass *p, const struct replay_op *op, size_t at)
{
	struct workload_object *const o = &p->object[op->slot];
	const unsigned class = trace_class[op->op];

	if (class == 0)
		return;
	p->f->handed += (op->flags & OP_WAITS) != 0;
	p->f->reallocs += (class & TRACE_IS_REALLOC) != 0;
	p->f->frees += (class & TRACE_IS_FREE) != 0 && (op->flags & OP_IMPLIED) == 0;
	if ((class & TRACE_IS_FREE) == 0)
		count_size(p, op->size);
	if ((class & TRACE_IS_ALLOC) != 0)
		begin(p, o, op->size, at);
	else if ((class & TRACE_IS_REALLOC) != 0)
		resize(p, o, op->size, at);
	else
		end(p, o, at);
}

static void look_at_peak(struct workload_pass *p)
{
	struct facts *const f = p->f;

	f->peak_count = p->live;
	for (size_t i = 0; i < p->ops->head->slots; i++) {
		const struct workload_object *const o = &p->object[i];
		if (!o->live || o->size < FACTS_LARGE)
			continue;
		f->peak_large += o->size;
		f->peak_large_count++;
	}
}

static uint64_t median(const struct workload_pass *p)
{
	uint64_t seen = 0, half = (p->f->requests + 1) / 2;

	for (size_t i = 0; i <= FACTS_SIZES; i++)
		if ((seen += p->sizes[i]) >= half)
			return i;
	for (unsigned i = 0; i < 64; i++)
		if ((seen += p->powers[i]) >= half)
			return (uint64_t)1 << i;
	return 0;
}

static void count_threads(struct facts *f, const struct replay_ops *ops)
{
	uint64_t most = 0;

	f->threads = ops->head->threads;
	for (uint64_t i = 0; i < f->threads; i++) {
		const uint64_t n = ops->thread[i].count;
		most = n > most ? n : most;
		f->busy_threads += n * 100 >= ops->head->count;
	}
	f->busiest = f->threads > 1 ? (double)most / (double)ops->head->count : 1;
	if (f->busy_threads == 0)
		f->busy_threads = 1;
}

/* What was live until op i counts. */
static size_t move_clock(struct workload_pass *p, size_t i)
{
	const bool timeless = p->ops->head->timeless;
	const uint64_t now = timeless ? i : ops_clock_ns(&p->clock, i);

	p->area += (double)p->payload * (double)(now > p->now ? now - p->now : 0);
	p->now = now > p->now ? now : p->now;
	return timeless ? i + 1 : ops_clock_next(&p->clock, i);
}

/* False: no address space. */
static bool perform_all(struct workload_pass *p)
{
	const struct replay_head *const head = p->ops->head;
	size_t known = 0; /* the next op before which the time is known */

	for (size_t at = 0; at < head->count; at++) {
		const struct replay_op *const op = ops_window_at(&p->window, at);
		if (op == NULL)
			return false;
		if (at == known)
			known = move_clock(p, at);
		perform(p, op, at);
		if (at == head->peak_at)
			look_at_peak(p);
	}
	move_clock(p, head->count);
	p->f->mean_payload = p->now != 0 ? p->area / (double)p->now : (double)p->payload;
	return true;
}

bool facts_count(struct facts *f, const struct replay_ops *ops)
{
	const struct replay_head *const head = ops->head;
	struct workload_pass *const p = calloc(1, sizeof *p);

	*f = (struct facts){.calls = head->calls, .peak_payload = head->peak_payload,
	    .seconds = (double)replay_ops_ns(ops, head->count) * 1e-9};
	if (p != NULL)
		p->object = calloc(head->slots + 1, sizeof *p->object);
	if (p == NULL || p->object == NULL) {
		free(p);
		return false;
	}
	p->f = f;
	p->ops = ops;
	p->window.ops = p->clock.ops = ops;
	const bool fine = perform_all(p);
	ops_window_close(&p->window);
	count_threads(f, ops);
	f->size_median = median(p);
	f->small = f->requests != 0 ? (double)p->small / (double)f->requests : 0;
	f->short_lived = p->objects != 0 ? (double)p->short_lived / (double)p->objects : 0;
	f->never_freed = p->live;
	f->end_payload = p->payload;
	free(p->object);
	free(p);
	return fine;
}
