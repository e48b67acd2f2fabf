/* stats.c - include/dmm_stats.h: the figures of slab's heap, for the program itself. */
#include "interpose/stats.h"

#include <string.h>

#include "base/bits.h"
#include "interpose/interpose.h"
#include "os/os.h"
#include "slab/measure.h"
#include "slab/root.h"

static uint64_t calls(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void fill_calls(struct dmm_stats *s)
{
	s->maps = calls(&os_calls.maps);
	s->unmaps = calls(&os_calls.unmaps);
	s->moves = calls(&os_calls.moves);
	s->protects = calls(&os_calls.protects);
	s->advices = calls(&os_calls.advices);
	s->purges = calls(&os_calls.purges);
	s->purged_bytes = calls(&os_calls.purged);
	s->unmapped_bytes = calls(&os_calls.unmapped);
}

static void fill_classes(struct dmm_stats *s, const struct slab_sums *m)
{
	_Static_assert((int)CLASS_MAX <= (int)DMM_STATS_CLASSES, "each class has a row");
	s->class_count = min_size(class_count, DMM_STATS_CLASSES);
	for (size_t i = 0; i < s->class_count; i++)
		s->classes[i] = (struct dmm_class_stats){size_class[i].size, m->cls[i].slabs,
		    m->cls[i].live_pieces, m->cls[i].free_pieces};
}

static void fill(struct dmm_stats *out, const struct slab_sums *m)
{
	*out = (struct dmm_stats){
	    .mapped_bytes = m->live + m->free + m->lost + m->tables,
	    .live_bytes = m->live,
	    .live_objects = m->live_pieces,
	    .large_bytes = m->large,
	    .large_objects = m->large_pieces,
	    .guarded_bytes = m->guarded,
	    .guarded_objects = m->guarded_pieces,
	    .free_bytes = m->free,
	    .dirty_bytes = m->dirty,
	    .lost_bytes = m->lost,
	    .tables_bytes = m->tables,
	    .heaps = __atomic_load_n(&root.heap_count, __ATOMIC_RELAXED),
	};
	fill_calls(out);
	fill_classes(out, m);
}

void stats_fill(struct dmm_stats *out)
{
	struct slab_sums m;

	slab_measure(&m);
	fill(out, &m);
}

static uint64_t thread_of(size_t heap)
{
	const struct slab_heap *const h = heap != 0 ? heap_at((uint32_t)heap) : NULL;
	return h != NULL ? __atomic_load_n(&h->thread, __ATOMIC_RELAXED) : 0;
}

/* A row has room for the sums of a heap, which it then takes the place of. */
size_t stats_fill_threads(struct dmm_stats *out, struct dmm_thread_stats *rows, size_t count)
{
	_Static_assert(sizeof(struct slab_heap_sums) <= sizeof(struct dmm_thread_stats), "it has");
	struct slab_heap_sums *const heaps = (struct slab_heap_sums *)(void *)rows;
	struct slab_sums m;

	const size_t all = __atomic_load_n(&root.heap_count, __ATOMIC_ACQUIRE);
	count = min_size(count, all);
	slab_measure_heaps(&m, heaps, count);
	for (size_t i = count; i-- > 0;) {
		const struct slab_heap_sums h = heaps[i];
		rows[i] = (struct dmm_thread_stats){thread_of(i), h.slabs, h.live_pieces, h.live,
		    h.free_pieces, h.free};
	}
	fill(out, &m);
	return all;
}

EXPORT int dmm_stats(struct dmm_stats *out, size_t bytes)
{
	struct dmm_stats s;

	stats_fill(&s);
	memset(out, 0, bytes);
	memcpy(out, &s, min_size(bytes, sizeof s));
	return 0;
}

EXPORT size_t dmm_stats_threads(struct dmm_stats *out, size_t bytes, struct dmm_thread_stats *rows,
    size_t count)
{
	struct dmm_stats s;
	const size_t all = stats_fill_threads(&s, rows, count);

	memset(out, 0, bytes);
	memcpy(out, &s, min_size(bytes, sizeof s));
	return all;
}
