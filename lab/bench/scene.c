/* scene.c - heaps in a known state, and the cost of one call on them. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "base/rng.h"
#include "bench/lecture.h"
#include "allocators/registry.h"

enum { GROW_MIN = 16, KEEP = 16 };

const struct dmm_system *lecture_system(const char *name)
{
	const struct dmm_system *const sys = registry_find(name);
	if (sys == NULL)
		find_missing(name);
	return sys;
}

static struct dmm_params exact_growth(const struct dmm_system *sys)
{
	struct dmm_params params = sys->defaults;
	if (sys->options & DMM_OPT_GROW_MIN)
		params.grow_min = GROW_MIN;
	return params;
}

struct scene scene_of(const struct dmm_system *sys)
{
	return (struct scene){.sys = sys, .params = exact_growth(sys), .hole_len = 32,
	    .target_len = 1024};
}

/*  addresses:  | hole | keep | hole | keep | ... | prev | target | next | keep |
 *  The target and its neighbours are freed before the holes: where chunks are inserted at the
 *  front, the list ends with them. */
static void prepare(void *arg)
{
	struct scene *const s = arg;
	char **const holes = calloc(s->holes + 1, sizeof *holes);

	CHECK(holes != NULL);
	bench_heap_open(&s->heap, s->sys, &s->params);
	for (size_t i = 0; i < s->holes; i++) {
		holes[i] = bench_alloc(&s->heap, s->hole_len);
		bench_alloc(&s->heap, KEEP);
	}
	char *const prev = bench_alloc(&s->heap, s->target_len);
	s->target = bench_alloc(&s->heap, s->target_len);
	char *const next = bench_alloc(&s->heap, s->target_len);
	bench_alloc(&s->heap, KEEP);
	if (s->free_prev)
		bench_free(&s->heap, prev);
	if (s->free_next)
		bench_free(&s->heap, next);
	if (s->target_free)
		bench_free(&s->heap, s->target);
	for (size_t i = s->holes; i-- > 0;)
		bench_free(&s->heap, holes[i]);
}

static void perform(void *arg)
{
	struct scene *const s = arg;

	if (s->ask != 0)
		s->target = s->sys->alloc(s->heap.heap.state, s->ask, DMM_ALIGN_MIN);
	else
		s->sys->free(s->heap.heap.state, s->target);
}

double scene_instructions(const struct scene *s)
{
	struct scene copy = *s;
	const double instructions = cell_instructions(prepare, perform, &copy);

	if (instructions < 0)
		lab_die(EXIT_OURS, "cannot single-step %s: ptrace is forbidden here, or it crashed",
		    s->sys->name);
	return instructions;
}

struct growth scene_growth(const struct scene *s)
{
	enum { FIRST = 6, POINTS = 5 };
	double n[POINTS], cost[POINTS];

	for (int i = 0; i < POINTS; i++) {
		struct scene copy = *s;
		copy.holes = (size_t)1 << (FIRST + i);
		n[i] = (double)copy.holes;
		cost[i] = scene_instructions(&copy);
	}
	return growth_fit(n, cost, POINTS, "instructions");
}

/* ---- steady state ---------------------------------------------------------------------------- */

enum { SEED = 217 };

void churn_run(struct bench_heap *b, const struct churn *c, void **slots, size_t *sizes)
{
	struct rng rng = {SEED};

	for (size_t i = 0; i < c->live + c->ops; i++) {
		const size_t at = i < c->live ? i : rng_below(&rng, c->live);
		if (slots[at] != NULL)
			bench_free(b, slots[at]);
		sizes[at] = rng_below(&rng, c->size_max) + 1;
		slots[at] = bench_alloc(b, sizes[at]);
	}
}

static int sum_free(void *arg, const struct dmm_piece *piece)
{
	if (piece->kind == DMM_FREE)
		*(double *)arg += (double)piece->len;
	return 0;
}

struct churned churn_measure(struct bench_heap *b, const struct churn *c, void *const *slots,
    const size_t *sizes)
{
	struct churned m = {.footprint_bytes = (double)b->os.owned_bytes,
	    .peak_bytes = (double)b->os.peak_bytes, .calls = (double)b->os.calls};

	for (size_t i = 0; i < c->live; i++) {
		if (slots[i] == NULL)
			continue;
		m.live_bytes += (double)sizes[i];
		m.usable_bytes += (double)b->sys->usable(b->heap.state, slots[i]);
	}
	heap_walk(&b->heap, sum_free, &m.free_bytes);
	m.overhead_bytes = m.footprint_bytes - m.usable_bytes - m.free_bytes;
	return m;
}

struct churned churn(const struct dmm_system *sys, const struct dmm_params *params,
    const struct churn *c)
{
	void **const slots = calloc(c->live, sizeof *slots);
	size_t *const sizes = calloc(c->live, sizeof *sizes);
	struct bench_heap b;

	CHECK(slots != NULL && sizes != NULL);
	bench_heap_open(&b, sys, params);
	churn_run(&b, c, slots, sizes);
	const struct churned m = churn_measure(&b, c, slots, sizes);
	bench_heap_close(&b);
	free(slots);
	free(sizes);
	return m;
}

struct growth churn_growth(const struct dmm_system *sys)
{
	enum { FIRST = 12, POINTS = 4 };
	double n[POINTS], bytes[POINTS];

	for (int i = 0; i < POINTS; i++) {
		const struct churn c = {.ops = (size_t)1 << (FIRST + i), .live = 500,
		    .size_max = 256};
		n[i] = (double)c.ops;
		bytes[i] = churn(sys, NULL, &c).peak_bytes;
	}
	return growth_fit(n, bytes, POINTS, "bytes");
}

void lecture_space(struct finding *f, const char *system, const char *overhead, bool needs_free)
{
	const struct dmm_system *const sys = lecture_system(system);
	const struct churn c = {.ops = 32768, .live = 2000, .size_max = 256};
	const struct churned m = churn(sys, NULL, &c);
	const struct growth g = churn_growth(sys);

	find_growth(f, "footprint by operations, live constant", &g, ORDER_CONSTANT);
	find_text(f, "footprint %.2f of what is live (%.0f %% %s, %.0f %% free)",
	    m.footprint_bytes / m.live_bytes, 100 * m.overhead_bytes / m.footprint_bytes, overhead,
	    100 * m.free_bytes / m.footprint_bytes);
	find_figure(f, "footprint_by_live", m.footprint_bytes / m.live_bytes);
	find_verdict(f, m.overhead_bytes > 0 && (!needs_free || m.free_bytes > 0),
	    "there is no overhead%s", needs_free ? " or no free memory" : "");
}

/* ---- instructions in a steady state ---------------------------------------------------------- */

struct sample {
	const struct dmm_system *sys;
	struct churn churn;
	bool of_free;
	struct bench_heap heap;
	void **slots;
	size_t *sizes;
};

enum { SAMPLES = 32 };

static void churn_prepare(void *arg)
{
	struct sample *const s = arg;

	s->slots = calloc(s->churn.live, sizeof *s->slots);
	s->sizes = calloc(s->churn.live, sizeof *s->sizes);
	CHECK(s->slots != NULL && s->sizes != NULL);
	bench_heap_open(&s->heap, s->sys, NULL);
	churn_run(&s->heap, &s->churn, s->slots, s->sizes);
	for (size_t i = 0; i < SAMPLES && !s->of_free; i++) {
		bench_free(&s->heap, s->slots[i]); /* leave as many holes as malloc will fill */
		s->slots[i] = NULL;
	}
}

static void churn_perform(void *arg)
{
	struct sample *const s = arg;

	for (size_t i = 0; i < SAMPLES; i++)
		if (s->of_free)
			s->sys->free(s->heap.heap.state, s->slots[i]);
		else
			s->slots[i] = s->sys->alloc(s->heap.heap.state, s->sizes[i], DMM_ALIGN_MIN);
}

double churn_instructions(const struct dmm_system *sys, size_t live, bool of_free)
{
	struct sample s = {.sys = sys, .of_free = of_free,
	    .churn = {.ops = 20 * live, .live = live, .size_max = 256}};
	const double instructions = cell_instructions(churn_prepare, churn_perform, &s);

	if (instructions < 0)
		lab_die(EXIT_OURS, "cannot single-step %s", sys->name);
	return instructions / SAMPLES;
}

int bytes_sum(void *arg, const struct dmm_piece *piece)
{
	struct bytes *const b = arg;
	const bool between = strcmp(piece->what, "header") == 0 ||
	    strcmp(piece->what, "footer") == 0;

	if (piece->kind == DMM_LIVE)
		b->live += (double)piece->len;
	if (piece->kind == DMM_META)
		b->meta += (double)piece->len;
	if (piece->kind == DMM_META && between)
		b->meta_between += (double)piece->len;
	return 0;
}
