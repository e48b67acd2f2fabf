/* sites.c - see sites.h. */
#include "trace/sites.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/array.h"

static struct site *site_of(struct sites *s, uint32_t stack)
{
	if (!ARRAY_RESERVE(s->at, s->cap, (size_t)stack + 1)) {
		s->failed = true;
		return NULL;
	}
	return &s->at[stack];
}

/* Before a site changes: is what it has what it had at the peak? */
static void keep_peak(const struct sites *s, struct site *site)
{
	if (site->epoch == s->epoch)
		return;
	site->epoch = s->epoch;
	site->peak_bytes = site->live_bytes;
	site->peak_objects = site->live_objects;
}

static void add(struct sites *s, const struct step *step)
{
	struct site *const site = site_of(s, step->object->stack);

	if (site == NULL)
		return;
	keep_peak(s, site);
	site->calls++;
	site->total_bytes += step->ev.size;
	site->live_objects++;
	site->live_bytes += step->object->size;
}

static void remove_object(struct sites *s, const struct live_object *o)
{
	struct site *const site = site_of(s, o->stack);

	if (site == NULL)
		return;
	keep_peak(s, site);
	site->live_objects--;
	site->live_bytes -= o->size;
}

static void end_life(struct sites *s, const struct trace_stream *stream, const struct step *step)
{
	struct site *const site = site_of(s, step->was.stack);

	if (site == NULL)
		return;
	site->freed++;
	site->lifetime += step->ev.tick > step->was.born ? step->ev.tick - step->was.born : 0;
	site->temporary += stream->events - step->was.call <= SITES_TEMPORARY_CALLS;
}

void sites_step(struct sites *s, struct trace_stream *stream, struct step *step)
{
	if (step->overlaid)
		remove_object(s, &step->dropped);
	if (step->kind == STEP_FREE || step->kind == STEP_RESIZE)
		remove_object(s, &step->was);
	if (step->kind == STEP_FREE)
		end_life(s, stream, step);
	if (step->kind == STEP_ALLOC || step->kind == STEP_RESIZE)
		add(s, step);
	if (stream->payload > s->peak) {
		s->peak = stream->payload;
		s->epoch++;
	}
}

bool sites_end(struct sites *s, const struct trace_stream *stream)
{
	const struct live *const live = &stream->live;
	size_t kept = 0;

	for (size_t i = 0; i < s->cap; i++) {
		keep_peak(s, &s->at[i]);
		s->at[i].stack = (uint32_t)i;
		s->at[i].oldest = UINT64_MAX;
	}
	for (size_t i = 0; i < live->cap; i++)
		if (live->at[i].addr != 0 && live->at[i].stack < s->cap)
			s->at[live->at[i].stack].oldest =
			    min_size(s->at[live->at[i].stack].oldest, live->at[i].born);
	for (size_t i = 0; i < s->cap; i++)
		if (s->at[i].calls != 0)
			s->at[kept++] = s->at[i];
	s->count = kept;
	return !s->failed;
}

static int by_stack(const void *a, const void *b)
{
	const struct site *const x = a, *const y = b;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static void join(struct site *to, const struct site *from)
{
	to->calls += from->calls;
	to->total_bytes += from->total_bytes;
	to->temporary += from->temporary;
	to->freed += from->freed;
	to->lifetime += from->lifetime;
	to->live_objects += from->live_objects;
	to->live_bytes += from->live_bytes;
	to->oldest = min_size(to->oldest, from->oldest);
	to->peak_objects += from->peak_objects;
	to->peak_bytes += from->peak_bytes;
}

void sites_merge(struct sites *s, site_shown_as *as, void *arg)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++)
		s->at[i].stack = as(arg, s->at[i].stack);
	if (s->count != 0)
		qsort(s->at, s->count, sizeof *s->at, by_stack);
	for (size_t i = 0; i < s->count; i++)
		if (kept != 0 && s->at[kept - 1].stack == s->at[i].stack)
			join(&s->at[kept - 1], &s->at[i]);
		else
			s->at[kept++] = s->at[i];
	s->count = kept;
}

void sites_free(struct sites *s)
{
	free(s->at);
	s->at = NULL;
}

static uint64_t weight(const struct site *s, enum sites_order order)
{
	switch (order) {
	case SITES_BY_LIVE:
		/* an object may have no bytes */
		return s->live_objects != 0 ? s->live_bytes + 1 : 0;
	case SITES_BY_PEAK:
		return s->peak_bytes;
	case SITES_BY_CALLS:
		return s->calls;
	default:
		return s->temporary;
	}
}

static int compare(const void *a, const void *b, void *order)
{
	const struct site *const x = a, *const y = b;
	const uint64_t u = weight(x, *(enum sites_order *)order),
	    v = weight(y, *(enum sites_order *)order);

	if (u != v)
		return u > v ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

size_t sites_sort(struct sites *s, enum sites_order order)
{
	size_t n = 0;

	if (s->count != 0)
		qsort_r(s->at, s->count, sizeof *s->at, compare, &order);
	while (n < s->count && weight(&s->at[n], order) != 0)
		n++;
	return n;
}
