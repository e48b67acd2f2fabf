/* view.c - looking, and the arithmetic of a view. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"
#include "inspect/inspect.h"
#include "inspect/guarded.h"
#include "slab/root.h"

static bool opened(struct outside *o, bool ok, struct memory_error *e)
{
	o->pagemap = -1;
	if (ok && outside_is_same(o, e) && outside_find(o, e))
		return true;
	outside_close(o);
	return false;
}

bool outside_open_process(struct outside *o, pid_t pid, struct memory_error *e)
{
	*o = (struct outside){0};
	return opened(o, memory_open_process(&o->memory, pid, e), e);
}

bool outside_open_core(struct outside *o, const char *path, struct memory_error *e)
{
	*o = (struct outside){0};
	return opened(o, memory_open_core(&o->memory, path, e), e);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* The bytes of one slab, by cause.  What was given back is free objects first, then the tail, then
 * what others freed. */
static void add_slab_bytes(struct outside_view *v, const struct outside_run *run,
    uint64_t *given_back)
{
	const uint64_t len = run->count * v->granule, size = run->size;
	const uint64_t live = run->live * size, remote = run->remote * size,
	    cached = run->cached * size;
	const uint64_t tail = size == 0 ? 0 : len - run->objects * size;
	const uint64_t free = size == 0 ? len : len - live - remote - cached - tail;
	const uint64_t from_free = min_size(free, run->purged),
	    from_tail = min_size(tail, run->purged - from_free);
	const uint64_t from_remote = min_size(remote, run->purged - from_free - from_tail);

	*given_back = from_free + from_tail + from_remote;
	v->bytes[OUTSIDE_LIVE] += live;
	v->bytes[OUTSIDE_FREE] += free - from_free;
	v->bytes[OUTSIDE_CACHED] += cached;
	v->bytes[OUTSIDE_REMOTE] += remote - from_remote;
	v->bytes[OUTSIDE_TAIL] += tail - from_tail;
	v->bytes[OUTSIDE_PURGED] += *given_back;
}

static void add_slab(struct outside_view *v, const struct outside_run *run)
{
	struct outside_class *const c = &v->classes[run->cls];
	struct outside_heap *const h = outside_heap_of(v, run->heap);
	uint64_t purged, held;

	add_slab_bytes(v, run, &purged);
	held = run->count * v->granule - purged;
	c->size = run->size;
	c->slabs++, v->slabs++;
	c->objects += run->objects, v->objects += run->objects;
	c->live += run->live, v->live_objects += run->live;
	c->remote += run->remote, c->cached += run->cached;
	c->held += held, c->purged += purged;
	if (h == NULL)
		return;
	h->slabs++;
	h->objects += run->objects, h->live += run->live;
	h->live_bytes += (uint64_t)run->live * run->size, h->held += held;
}

static void add_up(struct outside_view *v)
{
	static const enum outside_cause cause[] = {[OUTSIDE_IS_UNUSED] = OUTSIDE_UNUSED,
	    [OUTSIDE_IS_DIRTY] = OUTSIDE_DIRTY, [OUTSIDE_IS_LARGE] = OUTSIDE_LARGE,
	    [OUTSIDE_IS_TORN] = OUTSIDE_TORN};

	for (size_t i = 0; i < v->run_count; i++) {
		const struct outside_run *const run = &v->runs[i];
		if (run->kind == OUTSIDE_IS_SLAB)
			add_slab(v, run);
		else
			v->bytes[cause[run->kind]] += run->count * v->granule;
		v->large_objects += run->kind == OUTSIDE_IS_LARGE;
	}
	v->bytes[OUTSIDE_LARGE] += v->mapped_bytes;
	v->large_objects += v->mapped_objects;
}

uint64_t outside_held(const struct outside_view *v)
{
	uint64_t sum = 0;
	for (int i = 0; i < OUTSIDE_HELD; i++)
		sum += v->bytes[i];
	return sum;
}

uint64_t outside_resident(const struct outside_view *v)
{
	uint64_t sum = v->resident_tables;
	for (int i = 0; i <= OUTSIDE_IS_TORN; i++)
		sum += v->resident[i];
	return sum;
}

const char *outside_cause_name(enum outside_cause cause)
{
	static const char *const names[OUTSIDE_CAUSES] = {"live", "large", "free", "cached",
	    "freed_by_others", "tails",
	    "dirty", "tables", "torn", "purged", "unused"};
	return names[cause];
}

const char *outside_view_check(const struct outside_view *v)
{
	uint64_t all = 0, slabs = 0, live = 0, bytes = 0, granules = 0;

	for (int i = 0; i < OUTSIDE_CAUSES; i++)
		all += v->bytes[i];
	for (int i = 0; i < OUTSIDE_CLASSES; i++) {
		slabs += v->classes[i].slabs;
		live += v->classes[i].live;
		bytes += v->classes[i].live * v->classes[i].size;
	}
	for (size_t i = 0; i < v->run_count; i++)
		granules += v->runs[i].count;
	if (all != v->granules * v->granule + v->bytes[OUTSIDE_TABLES] + v->mapped_bytes ||
	    granules != v->granules)
		return "O1 parts";
	if (slabs != v->slabs || live != v->live_objects || bytes != v->bytes[OUTSIDE_LIVE])
		return "O2 classes";
	return NULL;
}

/* ---- looking --------------------------------------------------------------------------------- */

bool outside_look(struct outside *o, struct outside_view *v, struct memory_error *e)
{
	*v = (struct outside_view){.heaps = v->heaps, .heap_cap = v->heap_cap, .runs = v->runs,
	    .run_cap = v->run_cap, .masks = v->masks, .mask_cap = v->mask_cap};
	v->time = clock_s(CLOCK_MONOTONIC);
	o->memory.error = 0;
	const bool read = outside_read_slab(o, v, e);
	v->seconds = clock_s(CLOCK_MONOTONIC) - v->time;
	/* A process that ended, or became another, was not corrupt: say that instead. */
	struct memory_error other;
	snprintf(other.text, sizeof other.text, "%s has ended", o->memory.title);
	if (!outside_is_same(o, &other) || !memory_update_threads(&o->memory))
		return memory_refuse(e, "%s", other.text);
	if (!read)
		return false;
	add_up(v);
	if (outside_view_check(v) != NULL)
		return memory_refuse(e, "%s: the figures do not add up (%s): its records changed "
		                        "too fast, or are damaged", o->memory.title,
		                        outside_view_check(v));
	outside_count_guarded(o, v);
	outside_name_threads(o, v);
	outside_see_pages(o, v);
	return true;
}

void outside_view_drop(struct outside_view *v)
{
	free(v->heaps);
	free(v->runs);
	free(v->masks);
	*v = (struct outside_view){0};
}

/* ---- between two looks ----------------------------------------------------------------------- */

static bool is_object_run(const struct outside_run *run)
{
	return run->kind == OUTSIDE_IS_SLAB || run->kind == OUTSIDE_IS_LARGE;
}

static uint64_t live_of(const struct outside_run *run)
{
	return run->kind == OUTSIDE_IS_LARGE ? 1 : run->live;
}

static void compare_masks(struct outside_churn *churn, const uint64_t *before,
    const uint64_t *after,
    size_t words)
{
	for (size_t w = 0; w < words; w++) {
		churn->allocated += (unsigned)__builtin_popcountll(after[w] & ~before[w]);
		churn->freed += (unsigned)__builtin_popcountll(before[w] & ~after[w]);
	}
}

struct outside_churn outside_churn(const struct outside_view *before,
    const struct outside_view *after)
{
	struct outside_churn churn = {0};
	size_t i = 0, k = 0;

	if (before->base != after->base)
		return churn;
	while (i < before->run_count || k < after->run_count) {
		const struct outside_run *const b = i < before->run_count ? &before->runs[i] : NULL;
		const struct outside_run *const a = k < after->run_count ? &after->runs[k] : NULL;
		const bool same = b != NULL && a != NULL && b->granule == a->granule &&
		    b->count == a->count &&
		                  b->kind == a->kind && b->cls == a->cls;
		if (same && a->kind == OUTSIDE_IS_SLAB)
			compare_masks(&churn, &before->masks[b->mask], &after->masks[a->mask],
			    a->mask_words);
		if (same) {
			i++, k++;
		} else if (a == NULL || (b != NULL && b->granule <= a->granule)) {
			churn.freed += is_object_run(b) ? live_of(b) : 0;
			i++;
		} else {
			churn.allocated += is_object_run(a) ? live_of(a) : 0;
			k++;
		}
	}
	return churn;
}

struct outside_heap *outside_heap_of(struct outside_view *v, uint32_t number)
{
	const uint32_t i = number - HEAP_FALLBACK;
	return number >= HEAP_FALLBACK && i < v->heap_count ? &v->heaps[i] : NULL;
}
