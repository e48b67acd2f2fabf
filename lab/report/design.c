/* design.c - the heap of one design in the report, sample by sample. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bits.h"
#include "report/report.h"
#include "run/launch.h"

struct watch {
	struct report_design *d;
	struct report_map map;
	size_t column;
	uint64_t hole, worst_gap;
	struct report_block *heap; /* d->block, a heap with the least area on top */
	size_t count;
	bool frees; /* else walks show what is dead as live */
	struct live_order order;
	bool ended; /* what never died has been kept */
};

/* ---- sizes ----------------------------------------------------------------------------------- */

/* 16, 20, 24, 28, 32, 40, ...: four to a doubling. */
unsigned size_slot(uint64_t size)
{
	if (size < 16)
		return 0;
	const unsigned log = 63 - (unsigned)__builtin_clzll(size);
	const unsigned slot = (log - 4) * 4 + (unsigned)(size >> (log - 2) & 3);
	return slot < REPORT_SIZES ? slot : REPORT_SIZES - 1;
}

uint64_t slot_size(unsigned slot)
{
	return slot == 0 ? 1 : (uint64_t)(4 + slot % 4) << (slot / 4 + 2);
}

static void count_class(struct watch *w, const struct dmm_piece *p, size_t len, bool live)
{
	struct report_design *const d = w->d;
	const bool own = p->bin >= 0 && p->bin < REPORT_BINS;

	d->classed |= p->kind == DMM_LIVE && own;
	const unsigned slot = d->classed && own ? (unsigned)p->bin
	    : REPORT_BINS + size_slot(p->len);
	if (slot >= REPORT_BINS)
		d->class_size[slot] = slot_size(slot - REPORT_BINS);
	else if (d->class_size[slot] == 0 || p->len < d->class_size[slot])
		d->class_size[slot] = p->len; /* a design may report free neighbours as one */
	(live ? d->class_live : d->class_free)[w->column][slot] += (float)len;
}

/* ---- the walk of one sample ------------------------------------------------------------------ */

static int visit(void *arg, const struct dmm_piece *p, uintptr_t addr, size_t len)
{
	struct watch *const w = arg;
	const bool live = p->kind == DMM_LIVE && (w->frees ||
	    order_find(&w->order, p->addr, p->len) != NULL);

	map_add(&w->map, addr, len, live);
	if (p->kind == DMM_FREE || p->kind == DMM_LIVE)
		count_class(w, p, len, live);
	if (p->kind == DMM_FREE && len > w->hole)
		w->hole = len;
	return 0;
}

static void sampled(void *arg, const struct model_view *v, size_t sample)
{
	struct watch *const w = arg;
	const uint64_t gap = v->now->footprint - v->payload;

	if (sample > REPORT_SAMPLES)
		return;
	w->column = sample;
	w->hole = 0;
	if (!w->frees)
		order_open(&w->order, v);
	held_walk(v->heap, v->arena, visit, w);
	order_close(&w->order);
	w->order = (struct live_order){0};
	map_end_column(&w->map);
	w->d->hole[sample] = w->hole;
	if (gap > w->worst_gap + w->worst_gap / 8) { /* within 12 % of the worst, by few looks */
		w->worst_gap = gap;
		report_pins(w->d->pins[PIN_WORST], v);
	}
	if (v->now->events == w->d->events) /* the last one */
		report_pins(w->d->pins[PIN_END], v);
}

static void at_peak(void *arg, const struct model_view *v)
{
	struct watch *const w = arg;
	report_pins(w->d->pins[PIN_PEAK], v);
}

/* ---- the blocks with the largest area in address x time -------------------------------------- */

static double area(const struct report_block *b)
{
	return (double)b->size * (double)(b->died - b->born);
}

static void sink(struct report_block *heap, size_t count, size_t i)
{
	for (;;) {
		size_t least = i;
		for (size_t child = 2 * i + 1; child < min_size(2 * i + 3, count); child++)
			if (area(&heap[child]) < area(&heap[least]))
				least = child;
		if (least == i)
			return;
		const struct report_block moved = heap[i];
		heap[i] = heap[least];
		heap[least] = moved;
		i = least;
	}
}

static void keep_block(struct watch *w, const struct report_block *b)
{
	w->d->all_area += area(b);
	if (w->count < REPORT_BLOCKS) {
		w->heap[w->count++] = *b;
		for (size_t i = w->count / 2; w->count == REPORT_BLOCKS && i-- > 0;)
			sink(w->heap, w->count, i);
	} else if (area(b) > area(&w->heap[0])) {
		w->heap[0] = *b;
		sink(w->heap, w->count, 0);
	}
}

static void gone(void *arg, const struct model_cell *c, const struct model_life *l, uint64_t call)
{
	if (c->p != NULL && c->size != 0)
		keep_block(arg, &(struct report_block){(uintptr_t)c->p, c->size, l->born, call,
		    l->stack});
}

static int block_by_address(const void *a, const void *b)
{
	const struct report_block *const x = a, *const y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x->born < y->born ? -1 : x->born > y->born;
}

static void keep_living(struct watch *w, const struct model_view *v)
{
	for (size_t i = 0; i < v->slots; i++)
		gone(w, &v->cell[i], &v->life[i], v->now->events);
}

static void finish_blocks(struct watch *w)
{
	struct report_design *const d = w->d;

	d->block_count = w->count;
	for (size_t i = 0; i < w->count; i++)
		d->block_area += area(&d->block[i]);
	qsort(d->block, d->block_count, sizeof *d->block, block_by_address);
}

static void sampled_last(void *arg, const struct model_view *v, size_t sample)
{
	struct watch *const w = arg;

	sampled(arg, v, sample);
	if (v->now->events == w->d->events && !w->ended)
		keep_living(w, v);
	w->ended = v->now->events == w->d->events;
}

bool report_design(struct report_design *d, const struct report_survey *s,
    const struct subject *subject)
{
	static struct watch w;
	struct model_result r;
	const struct model_observer observer = {.arg = &w, .gone = gone, .sampled = sampled_last,
	    .at_peak = at_peak};
	const double began = launch_now();

	w = (struct watch){.d = d, .heap = d->block, .frees = (subject->sys->traits & DMM_FREES) !=
	    0};
	d->events = s->events; /* so that the last sample is known for what it is */
	if (!map_open(&w.map) || !model_watch(&r, &s->ops, subject, s->samples, &observer))
		return false;
	d->samples = min_size(r.sample_count, REPORT_SAMPLES + 1);
	memcpy(d->sample, r.samples, d->samples * sizeof *r.samples);
	d->peak = r.peak;
	d->mean = r.mean;
	d->end = r.end;
	d->peak_payload = r.peak_payload;
	d->seconds = launch_now() - began;
	memcpy(d->problem, r.problem, sizeof r.problem);
	finish_blocks(&w);
	map_finish(&w.map, d);
	map_close(&w.map);
	model_free(&r);
	return true;
}
