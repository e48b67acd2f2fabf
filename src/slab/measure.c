/* measure.c - see measure.h.  Live objects are counted by bits, 64 at a time: 1 GiB of small
 * objects takes 16 MiB of bitmaps to read. */
#include "slab/measure.h"

#include "slab/guarded.h"
#include "slab/slab.h"
#include "slab/window.h"

struct measuring {
	struct slab_sums *sums;
	struct slab_heap_sums *heaps; /* by number */
	size_t heap_count;            /* 0: they are not wanted */
};

static void add_to_heap(const struct measuring *x, size_t heap, size_t size, size_t live,
    size_t free)
{
	if (x->heap_count == 0)
		return;
	struct slab_heap_sums *const h = &x->heaps[heap < x->heap_count ? heap : 0];
	h->slabs++;
	h->live += live * size;
	h->live_pieces += live;
	h->free += free * size;
	h->free_pieces += free;
}

static void add_objects(const struct measuring *x, const struct slab *s, unsigned granules)
{
	struct slab_sums *const m = x->sums;
	const char *const start = slab_start(s),
	    *const end = start + ((size_t)granules << GRANULE_SHIFT);
	const size_t count = s->count, size = s->size;
	size_t live = 0;

	for (const char *p = start; p < end; p += WORD_BYTES)
		live += popcount(live_word(p) & ~mark_bits(p));
	live = min_size(live, count); /* it may be changing */
	add_to_heap(x, s->heap, size, live, count - live);
	struct slab_class_sums *const c = &m->cls[min_size(s->cls, CLASS_MAX - 1)];
	c->slabs++;
	c->live_pieces += live;
	c->free_pieces += count - live;
	m->live += live * size;
	m->live_pieces += live;
	m->free += (count - live) * size;
	m->free_pieces += count - live;
	const size_t all = (size_t)granules << GRANULE_SHIFT,
	    tail = all - min_size(count * size, all);
	m->lost += tail;
	m->lost_pieces += tail != 0;
}

/* Classify the piece that begins at a granule of chunk c; returns its granules, at least 1. */
static size_t add_granule(const struct measuring *x, const struct slab_chunk *c, size_t granule,
    bool *was_free)
{
	struct slab_sums *const m = x->sums;
	const struct slab *const s = slab_at(granule);
	const enum granule_kind kind = kind_of(s);
	const bool free = c->free[granule % CHUNK_GRANULES / 64] >> granule % 64 & 1;

	if (granule == 0)
		return 1;
	if (c->state != CHUNK_HERE || granule % CHUNK_GRANULES >= c->mapped)
		return CHUNK_GRANULES - granule % CHUNK_GRANULES; /* no more of it is mapped */
	if (free) {
		m->free += GRANULE;
		m->free_pieces += !*was_free;
	} else if (kind == GRANULE_RUN && s->run != 0) {
		*was_free = false;
		m->live += (size_t)s->run << GRANULE_SHIFT;
		m->live_pieces++;
		m->large += (size_t)s->run << GRANULE_SHIFT;
		m->large_pieces++;
		return s->run;
	} else if (kind == GRANULE_SLAB && s->granules != 0) {
		*was_free = false;
		add_objects(x, s, s->granules);
		return s->granules;
	} else if (kind == GRANULE_FREED && s->cls == CLASS_RUN && s->run != 0) {
		/* in quarantine: guard_large.h */
		m->free += (size_t)s->run << GRANULE_SHIFT;
		m->free_pieces++;
		return s->run;
	} else if (kind == GRANULE_GUARD) {
		m->free += GRANULE;
		m->free_pieces++;
	} else {
		m->lost += GRANULE;
		m->lost_pieces++;
	}
	*was_free = free;
	return 1;
}

static int add_guarded(void *arg, const struct dmm_piece *piece)
{
	struct slab_sums *const m = arg;

	if (piece->kind == DMM_LIVE) {
		m->live += piece->len;
		m->live_pieces++;
		m->guarded += piece->len;
		m->guarded_pieces++;
	}
	return 0;
}

void slab_measure_heaps(struct slab_sums *m, struct slab_heap_sums *heaps, size_t count)
{
	const struct measuring x = {m, heaps, count};
	bool was_free = false;
	size_t g = 0;

	*m = (struct slab_sums){0};
	for (size_t i = 0; i < count; i++)
		heaps[i] = (struct slab_heap_sums){0};
	if (__atomic_load_n(&root.units, __ATOMIC_ACQUIRE) == 0)
		return;
	for (size_t chunk = 0;; chunk++) {
		lock_take(&root.page_lock);
		const bool more = chunk < root.chunk_count;
		const struct slab_chunk *const c = more ? chunk_at((uint32_t)chunk) : NULL;
		while (more && g < (chunk + 1) * CHUNK_GRANULES)
			g += add_granule(&x, c, g, &was_free);
		m->dirty = root.dirty * GRANULE;
		m->tables = window_tables_len();
		lock_give(&root.page_lock);
		if (!more)
			break;
	}
	const size_t mapped = root.mapped_bytes, mapped_pieces = root.mapped_count;
	m->live += mapped;
	m->live_pieces += mapped_pieces;
	m->large += mapped;
	m->large_pieces += mapped_pieces;
	m->tables += root.mapped_room * sizeof *root.mapped;
	guarded_walk(add_guarded, m);
}

void slab_measure(struct slab_sums *m)
{
	slab_measure_heaps(m, NULL, 0);
}
