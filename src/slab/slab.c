/* slab.c - open, close and look at one slab; find the object that a pointer means. */
#include "slab/slab.h"

#include <string.h>

#include "base/assert.h"
#include "slab/page_heap.h"

struct slab *slab_open(unsigned cls)
{
	const struct size_class *c = &size_class[cls];
	bool clean;
	const uint32_t first = run_take(c->granules, 1, &clean);

	if (first == 0)
		return NULL;
	struct slab *s = slab_at(first);
	s->start = granule_address(first);
	s->hot = 0;
	s->inverse = c->inverse;
	s->size = c->size;
	s->count = c->count;
	s->cls = (uint8_t)cls;
	s->purged = 0;
	s->seen_free = 0;
	s->granules = c->granules;
	for (unsigned w = 0; w < c->words; w++) {
		const unsigned left = c->count - w * 64;
		free_word_set(s, w, left >= 64 ? ~0ull : (1ull << left) - 1);
	}
	for (uint32_t i = 1; i < c->granules; i++) {
		struct slab *rest = slab_at(first + i);
		rest->head = first;
		atomic_store_explicit(&rest->kind, GRANULE_REST, memory_order_relaxed);
	}
	atomic_store_explicit(&s->kind, GRANULE_SLAB, memory_order_release);
	if (cls == CLASS_ZERO) /* malloc(0): whoever touches it faults; if refused, it is just 16 bytes */
		root.os->protect(root.os->ctx, s->start, GRANULE, DMM_PROTECT_NONE);
	return s;
}

void slab_close(struct slab *s)
{
	const uint32_t first = granule_of(s);

	if (s->cls == CLASS_ZERO &&
	    root.os->protect(root.os->ctx, s->start, GRANULE, DMM_PROTECT_RW) != 0)
		return; /* past vm.max_map_count: these 16 KiB of addresses are lost, no memory is */
	atomic_store_explicit(&s->kind, GRANULE_FREED, memory_order_relaxed);
	for (uint32_t i = 1; i < s->granules; i++)
		atomic_store_explicit(&slab_at(first + i)->kind, GRANULE_NONE, memory_order_relaxed);
	run_give(first, s->granules, s->cls == CLASS_ZERO);
}

unsigned slab_collect(struct slab *s)
{
	_Atomic uint64_t *remote = remote_words(s);
	unsigned n = 0;

	for (unsigned w = 0; w < (s->count + 63u) / 64; w++) {
		if (atomic_load_explicit(&remote[w], memory_order_relaxed) == 0)
			continue;
		const uint64_t got = atomic_exchange_explicit(&remote[w], 0, memory_order_acquire);
		const uint64_t had = free_word(s, w);
		if (unlikely((had & got) != 0)) {
			const size_t index = w * 64u + (unsigned)__builtin_ctzll(had & got);
			slab_misuse("double free", s->start + index * s->size, slab_usable_size(s));
		}
		free_word_set(s, w, had | got);
		n += (unsigned)__builtin_popcountll(got);
	}
	return n;
}

unsigned slab_count_free(const struct slab *s)
{
	const _Atomic uint64_t *remote = remote_words(s);
	unsigned n = 0;

	for (unsigned w = 0; w < (s->count + 63u) / 64; w++)
		n += (unsigned)__builtin_popcountll(
		    free_word(s, w) | atomic_load_explicit(&remote[w], memory_order_relaxed));
	return n;
}

static bool run_starts(const struct slab *s, uint32_t granule)
{
	return granule < root.chunk_count * CHUNK_GRANULES && kind_of(s) == GRANULE_RUN;
}

struct place place_of(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	if (off >= atomic_load_explicit(&root.len, memory_order_acquire))
		return (struct place){0};

	const uint32_t granule = (uint32_t)(off >> GRANULE_SHIFT);
	struct slab *s = slab_at(granule);
	if (kind_of(s) == GRANULE_REST)
		s = slab_at(s->head);
	const enum granule_kind kind = kind_of(s);
	if (run_starts(s, granule)) {
		const size_t usable = (size_t)s->run << GRANULE_SHIFT;
		return off % GRANULE == 0 ? (struct place){.slab = s, .size = usable}
		                          : (struct place){.size = usable};
	}
	if (kind != GRANULE_SLAB && kind != GRANULE_FREED)
		return (struct place){0};
	if (s->cls == CLASS_RUN) /* a run, freed */
		return (struct place){.size = (size_t)s->run << GRANULE_SHIFT,
		    .freed = kind == GRANULE_FREED && off % GRANULE == 0};

	const uint32_t within = (uint32_t)(off - ((size_t)granule_of(s) << GRANULE_SHIFT));
	const uint32_t index = s->granules == 1 ? (uint32_t)((uint64_t)within * s->inverse >> 32) : within / s->size;
	const bool starts = index * s->size == within && index < s->count;
	const size_t usable = slab_usable_size(s);
	if (kind == GRANULE_FREED || !starts)
		return (struct place){.size = usable, .freed = kind == GRANULE_FREED && starts};
	return (struct place){.slab = s, .index = index, .size = usable};
}

void slab_misuse(const char *what, const void *p, size_t size)
{
	crash("%s: %p (%u bytes)", what, p, size);
}

/* The live run whose inside p is, or NULL.  Only a run's first granule says what it is, and old data may
 * stand at the others. */
static const struct slab *run_around(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (off >= atomic_load_explicit(&root.len, memory_order_acquire))
		return NULL;
	for (uint32_t g = (uint32_t)(off >> GRANULE_SHIFT), first = g; first > 0; first--) {
		const struct slab *const s = slab_at(first);
		if (kind_of(s) == GRANULE_RUN && run_starts(s, first))
			return first + s->run > g && off != (size_t)first << GRANULE_SHIFT ? s : NULL;
	}
	return NULL;
}

void slab_bad_pointer(const char *call, const void *p)
{
	const struct slab *const run = run_around(p);
	if (run != NULL)
		crash("invalid %s: %p (inside %u bytes)", call, p, (size_t)run->run << GRANULE_SHIFT);
	const struct place at = place_of(p);
	const bool again = at.freed ||
	    (at.slab != NULL && kind_of(at.slab) == GRANULE_SLAB && object_free(at.slab, at.index));

	if (again && strcmp(call, "free") == 0)
		slab_misuse("double free", p, at.size);
	if (again)
		crash("%s after free: %p (%u bytes)", call, p, at.size);
	if (at.size != 0)
		crash("invalid %s: %p (inside %u bytes)", call, p, at.size);
	crash("invalid %s: %p (not allocated here)", call, p);
}

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found, uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)at, found, wanted};
	return false;
}

bool slab_check(struct slab *s, struct dmm_fault *why)
{
	const _Atomic uint64_t *remote = remote_words(s);

	for (unsigned w = 0; w < (s->count + 63u) / 64; w++) {
		const uint64_t mine = free_word(s, w), theirs = atomic_load(&remote[w]);
		const unsigned left = s->count - w * 64;
		const uint64_t valid = left >= 64 ? ~0ull : (1ull << left) - 1;
		if ((mine & theirs) != 0)
			return fault(why, "S1 exclusive", s, mine, theirs);
		if (((mine | theirs) & ~valid) != 0)
			return fault(why, "S2 range", s, mine | theirs, valid);
	}
	for (uint32_t i = 1; i < s->granules; i++) {
		const struct slab *rest = s + i;
		if (kind_of(rest) != GRANULE_REST || rest->head != granule_of(s))
			return fault(why, "S3 head", rest, rest->head, granule_of(s));
	}
	const unsigned live = s->count - slab_count_free(s);
	const bool flagged = owner_of(s) & OWNER_REMOTE;
	if (s->state != SLAB_CURRENT && !flagged && s->countdown > (live == 0 ? 1 : live))
		return fault(why, "S4 countdown", s, s->countdown, live);
	return true;
}
