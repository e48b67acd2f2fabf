/* slab.c - open, close and look at one slab. */
#include "slab/slab.h"

#include "base/assert.h"
#include "base/probe.h"
#include "slab/guard.h"
#include "slab/misuse.h"
#include "slab/page_heap.h"
#include "slab/quarantine.h"
#include "slab/settings.h"
#include "slab/window.h"

/* ---- words of a slab: one for each KiB, or, of larger objects, those in which one begins ----- */

static unsigned slab_words(const struct slab *s)
{
	return s->size < WORD_BYTES ? s->granules * (unsigned)GRANULE_WORDS : s->count;
}

static char *word_address(const struct slab *s, unsigned w)
{
	return slab_start(s) + (size_t)w * max_size(s->size, WORD_BYTES);
}

/* Objects of 1 KiB and more: at most one begins in each KiB. */
static void fill_large(struct slab *s)
{
	const char *p = slab_start(s);

	for (unsigned i = 0; i < s->count; i++, p += s->size)
		avail_set(p, bit_of(p));
}

static void clear_large(const struct slab *s)
{
	const char *p = slab_start(s);

	for (unsigned i = 0; i < s->count; i++, p += s->size) {
		avail_set(p, 0);
		live_word_set(p, 0);
	}
}

/* Mark every object avail. The bits of each KiB are those of the first KiB, shifted. */
static void fill(struct slab *s)
{
	const unsigned step = s->size >> UNIT_SHIFT;
	/* Units: from this KiB to the end of the last object, and to the first object
	 * that begins in it. */
	unsigned left = s->count * step, first = 0;
	_Atomic uint64_t *avail = avail_word(slab_start(s));
	uint64_t starts = 1;

	if (step >= 64)
		return fill_large(s);
	for (unsigned n = step; n < 64; n *= 2)
		starts |= starts << n;
	for (const unsigned over = 64 % step; left >= 64; left -= 64) {
		atomic_store_explicit(avail--, starts << first, memory_order_relaxed);
		first = first >= over ? first - over : first + step - over;
	}
	if (left > first)
		atomic_store_explicit(
		    avail, starts << first & ((1ull << left) - 1), memory_order_relaxed);
}

/* No object is left: no bit of the slab is set. */
static void clear(const struct slab *s)
{
	_Atomic uint64_t *avail = avail_word(slab_start(s)), *live = live_word_at(slab_start(s));

	for (_Atomic uint64_t *const end = live + s->granules * GRANULE_WORDS; live < end;) {
		atomic_store_explicit(avail--, 0, memory_order_relaxed);
		atomic_store_explicit(live++, 0, memory_order_relaxed);
	}
}

/* ---- hardened: an inaccessible granule before a slab ----------------------------------------- */

static _Atomic uint32_t unguarded; /* granules of slabs that were opened since the last such one */

static bool has_guard(uint32_t first)
{
	const struct slab *const s = slab_at(first - 1);

	return kind_of(s) == GRANULE_GUARD && s->head == first;
}

/* Does a slab of the heap end where `granule` begins? Then canaries check the border. */
static bool follows_own(uint32_t granule, unsigned heap)
{
	return tag_heap(tag_at(granule - 1)) == heap &&
	       tag_class(tag_at(granule - 1)) != CLASS_ZERO;
}

/* Take granules for a slab. Take one more before it as a guard if the granule there is not the
 * heap's, and often enough that an overflow of SLABS_GUARDED bytes meets one. */
static uint32_t take_guarded(uint32_t granules, unsigned heap)
{
	enum { GUARD_EVERY = SLABS_GUARDED / 4 / GRANULE };
	bool clean;
	const uint32_t first = run_take(granules + 1, 1, &clean);

	if (first == 0)
		return run_take(granules, 1, &clean);
	const uint32_t since =
	    atomic_fetch_add_explicit(&unguarded, granules, memory_order_relaxed) + granules;
	const bool spared = since < GUARD_EVERY && follows_own(first, heap);
	if (spared || guard_set(granule_address(first), GRANULE, true) != 0) {
		run_give(first + granules, 1, clean);
		return first;
	}
	slab_at(first)->head = first + 1;
	atomic_store_explicit(&slab_at(first)->kind, GRANULE_GUARD, memory_order_relaxed);
	atomic_store_explicit(&unguarded, 0, memory_order_relaxed);
	return first + 1;
}

static uint32_t take_granules(uint32_t granules, unsigned heap)
{
	bool clean;

	return unlikely(hardening.guard_large) ? take_guarded(granules, heap)
	                                       : run_take(granules, 1, &clean);
}

static void give_granules(uint32_t first, uint32_t granules)
{
	const size_t missing = (size_t)popcount(slab_at(first)->purged) * PURGE_UNIT;
	if (likely(!hardening.guard_large) || !has_guard(first))
		return run_give_holed(first, granules, missing);
	atomic_store_explicit(&slab_at(first - 1)->kind, GRANULE_NONE, memory_order_relaxed);
	if (guard_set(granule_address(first - 1), GRANULE, false) == 0)
		return run_give_holed(first - 1, granules + 1, missing);
	run_give_holed(first, granules, missing); /* the guard's address is lost, but no memory */
}

/* ---- open and close -------------------------------------------------------------------------- */

struct slab *slab_open(unsigned cls, unsigned heap)
{
	const struct size_class *c = &size_class[cls];
	const uint32_t first = take_granules(c->granules, heap);

	CHECK(cls < class_count);
	if (first == 0)
		return NULL;
	const uint32_t chunk = first / CHUNK_GRANULES;
	if (unlikely(chunk >= atomic_load_explicit(&window_filled, memory_order_relaxed)))
		window_fill_tables(chunk);
	struct slab *s = slab_at(first);
	s->size = c->size;
	s->count = s->avail = c->count;
	s->cls = (uint8_t)cls;
	s->purged = 0;
	s->seen_avail = 0;
	s->granules = c->granules;
	s->listed = false;
	fill(s);
	for (uint32_t i = 1; i < c->granules; i++) {
		struct slab *rest = slab_at(first + i);
		rest->head = first;
		atomic_store_explicit(&rest->kind, GRANULE_REST, memory_order_relaxed);
	}
	atomic_store_explicit(&s->kind, GRANULE_SLAB, memory_order_release);
	/* malloc(0): an access to it faults; if mprotect is refused, it is just 16 bytes */
	if (cls == CLASS_ZERO)
		root.os->protect(root.os->ctx, slab_start(s), GRANULE, DMM_PROTECT_NONE);
	PROBE(slab_open, slab_start(s), s->size);
	return s;
}

void slab_tag_rest(struct slab *s, unsigned heap)
{
	const uint32_t first = granule_of(s);

	CHECK(heap < root.heap_count);
	s->heap = (uint16_t)heap;
	for (uint32_t i = 1; i < s->granules; i++)
		atomic_store_explicit(&root.tags[first + i], tag_of(heap, s->cls),
		    memory_order_release);
}

void slab_tag(struct slab *s, unsigned heap)
{
	slab_tag_rest(s, heap);
	atomic_store_explicit(&root.tags[granule_of(s)], tag_of(heap, s->cls),
	    memory_order_release);
}

bool slab_close(struct slab *s)
{
	const uint32_t first = granule_of(s);

	CHECK(kind_of(s) == GRANULE_SLAB && s->avail == s->count && s->listed == LISTED_NOT);
	if (s->cls == CLASS_ZERO &&
	    root.os->protect(root.os->ctx, slab_start(s), GRANULE, DMM_PROTECT_RW) != 0)
		return false; /* past vm.max_map_count */
	PROBE(slab_close, slab_start(s), s->size);
	if (s->size < WORD_BYTES)
		clear(s);
	else
		clear_large(s);
	/* the purger, which holds the lock of the heap that it found here, looks again */
	s->heap = 0;
	atomic_store_explicit(&s->kind, GRANULE_FREED, memory_order_relaxed);
	for (uint32_t i = 1; i < s->granules; i++) {
		atomic_store_explicit(&root.tags[first + i], TAG_CLOSED, memory_order_relaxed);
		atomic_store_explicit(&slab_at(first + i)->kind, GRANULE_FREED_REST,
		    memory_order_relaxed);
	}
	/* also for zero bytes: old bits may be there */
	give_granules(first, s->granules);
	return true;
}

static inline char *object_of(char *base, size_t bit)
{
	return base + (bit << UNIT_SHIFT);
}

/* Fetch the first line of an object that the program will soon write to. slab itself touches no
 * object, so the first access is the program's: a store that misses the cache, and the stores
 * behind it wait for it. Several fetches run at once. take_row() does not fetch: there the
 * processor itself fetches ahead, because the addresses follow each other. */
static inline char *fetched(char *p)
{
	__builtin_prefetch(p, 1);
	return p;
}

/* The objects at p, p + size, ... up to `last`; size > 0. */
static inline void **take_row(char *p, char *const last, const size_t size, void **out)
{
	for (; p + 3 * size <= last; p += size, out -= 4) {
		out[-1] = p;
		out[-2] = p += size;
		out[-3] = p += size;
		out[-4] = p += size;
	}
	for (; p <= last; p += size)
		*--out = p;
	return out;
}

/* All objects of a KiB with these bits. If they follow each other without a gap, as in a fresh
 * slab, there is no need to look at each bit: each but the first then has a neighbour of `step`
 * units before it. */
static inline void **take_all(char *base, uint64_t bits, unsigned step, void **out)
{
	enum { MANY = 64 / 8 }; /* units: from eight objects on the test pays */

	if (step <= MANY && (bits & ~(bits << step)) == (bits & -bits))
		return take_row(object_of(base, lowest_one(bits)),
		    object_of(base, log2_floor(bits)), (size_t)step << UNIT_SHIFT, out);
	for (; bits != 0; bits &= bits - 1)
		*--out = fetched(object_of(base, lowest_one(bits)));
	return out;
}

/* Objects of less than 1 KiB, whose slabs have one granule.  The slab's flag is read once: a mark
 * that another thread sets later is found when the object leaves the magazine (cache_pop), as is
 * one that is set after this call. */
static void **take_small(struct slab *s, void **out, void **const stop)
{
	const unsigned step = s->size >> UNIT_SHIFT;
	void **const roomy = stop + (WORD_BYTES + s->size - 1) / s->size;
	char *base = slab_start(s);
	const char *const end = base + GRANULE;
	_Atomic uint64_t *avail = avail_word(base);
	const _Atomic uint64_t *live = live_word_at(base);
	const bool flagged = (tag_around(base) & TAG_REMOTE) != 0;

	CHECK(s->granules == 1);
	for (; base < end && out > stop; base += WORD_BYTES, avail--, live++) {
		const uint64_t all = atomic_load_explicit(avail, memory_order_relaxed);
		uint64_t rest = 0;
		if (all == 0)
			continue;
		if (likely(out >= roomy))
			out = take_all(base, all, step, out);
		else
			for (rest = all; rest != 0 && out > stop; rest &= rest - 1)
				*--out = object_of(base, lowest_one(rest));
		const uint64_t taken = atomic_load_explicit(live, memory_order_relaxed) |
		    (unlikely(flagged) ? mark_bits(base) : 0);
		if (unlikely((all & ~rest & taken) != 0))
			slab_freed_twice(s, base, all & ~rest & taken);
		atomic_store_explicit(avail, rest, memory_order_relaxed);
	}
	return out;
}

/* Objects of 1 KiB and more: at most one begins in a KiB. */
static void **take_large(struct slab *s, void **out, void **const stop)
{
	char *p = slab_start(s);

	for (unsigned i = s->count; i > 0 && out > stop; i--, p += s->size) {
		const uint64_t bit = avail_bits(p);
		if (bit == 0)
			continue;
		if (unlikely((bit & (live_word(p) | mark_bits(p))) != 0))
			slab_freed_twice(s, p, bit);
		avail_set(p, 0);
		*--out = p;
	}
	return out;
}

void **slab_take(struct slab *s, void **out, void **const stop)
{
	CHECK(lock_held(&heap_of(s)->lock) && kind_of(s) == GRANULE_SLAB && s->avail > 0);
	void **const end =
	    s->size < WORD_BYTES ? take_small(s, out, stop) : take_large(s, out, stop);
	s->avail = (uint16_t)(s->avail - (out - end));
	s->purged = 0;
	DEBUG_CHECK(s->avail == slab_count_avail(s));
	return end;
}

/* Take the live bits before the marks, so that at each moment a thread that frees such an object
 * finds it not live, or marked. The owner changes live bits by plain stores: a thread that collects
 * for it takes the bits in one step, and learns whether the owner has freed one of the objects. */
void slab_collect(struct slab *s)
{
	const struct slab_heap *const h = heap_of(s);
	/* live and marks were read at different moments */
	const bool torn = h->orphan, for_owner = h->owner != NULL && h->taker != lock_self();
	unsigned n = 0;

	CHECK(lock_held(&heap_of(s)->lock) && kind_of(s) == GRANULE_SLAB);
	for (unsigned w = 0; w < slab_words(s); w++) {
		char *const p = word_address(s, w);
		const uint64_t marks = atomic_load(mark_word(p));
		if (marks == 0)
			continue;
		const uint64_t live = unlikely(for_owner)
		    ? atomic_fetch_and(live_word_at(p), ~marks) : live_word(p);
		if (unlikely((marks & ~live) != 0) && !torn)
			slab_freed_twice(s, p, marks & ~live);
		if (likely(!for_owner))
			atomic_store_explicit(live_word_at(p), live & ~marks, memory_order_release);
		atomic_fetch_and(mark_word(p), ~marks);
		const uint64_t freed =
		    unlikely(hardening.quarantine != 0) ? quarantine_collect(s, p, marks) : marks;
		n += popcount(freed & ~avail_bits(p));
		avail_set(p, avail_bits(p) | freed);
	}
	s->avail = (uint16_t)(s->avail + n);
	DEBUG_CHECK(s->avail == slab_count_avail(s));
	PROBE(remote_batch, slab_start(s), n);
}

void slab_expect_no_marks(const struct slab *s)
{
	CHECK(kind_of(s) == GRANULE_SLAB && s->avail == s->count);
	for (unsigned w = 0; w < slab_words(s); w++) {
		const uint64_t marks = atomic_load(mark_word(word_address(s, w)));
		if (unlikely(marks != 0))
			slab_freed_twice(s, word_address(s, w), marks);
	}
}

unsigned slab_count_avail(const struct slab *s)
{
	unsigned n = 0;

	for (unsigned w = 0; w < slab_words(s); w++)
		n += popcount(avail_bits(word_address(s, w)));
	return n;
}

unsigned slab_count_free(const struct slab *s)
{
	unsigned n = 0;

	for (unsigned w = 0; w < slab_words(s); w++)
		n += popcount(free_word(word_address(s, w)));
	return n;
}

bool slab_all_free(const struct slab *s)
{
	unsigned left = s->count;

	for (unsigned w = 0; w < slab_words(s) && left > 0; w++) { /* in each an object begins */
		const unsigned n = popcount(free_word(word_address(s, w)));
		if (n == 0)
			return false;
		left -= n;
	}
	return left == 0;
}

/* ---- check ----------------------------------------------------------------------------------- */

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found,
    uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)at, found, wanted};
	return false;
}

/* Bits at the places where objects begin, in the w-th KiB. */
static uint64_t starts_of(const struct slab *s, unsigned w)
{
	const size_t from = (size_t)w << WORD_SHIFT, to = from + WORD_BYTES;
	uint64_t bits = 0;

	for (size_t i = (from + s->size - 1) / s->size; i < s->count && i * s->size < to; i++)
		bits |= 1ull << (i * s->size >> UNIT_SHIFT) % 64;
	return bits;
}

bool slab_check(struct slab *s, struct dmm_fault *why)
{
	const uint32_t first = granule_of(s);

	for (unsigned w = 0; w < s->granules * (unsigned)GRANULE_WORDS; w++) {
		const char *const p = slab_start(s) + (size_t)w * WORD_BYTES;
		const uint64_t live = live_word(p), marks = mark_bits(p),
		    bits = live | avail_bits(p) | marks;
		if ((bits & ~starts_of(s, w)) != 0)
			return fault(why, "S1 starts", p, bits, starts_of(s, w));
		if ((live & avail_bits(p)) != 0 || (marks & ~live) != 0)
			return fault(why, "S8 once", p, marks | avail_bits(p), live);
	}
	if (s->avail != slab_count_avail(s))
		return fault(why, "S2 counted", s, s->avail, slab_count_avail(s));
	for (uint32_t i = 0; i < s->granules; i++) {
		const struct slab *rest = slab_at(first + i);
		if (i > 0 && (kind_of(rest) != GRANULE_REST || rest->head != first))
			return fault(why, "S3 head", rest, rest->head, first);
		if ((tag_at(first + i) & ~TAG_REMOTE) != tag_of(s->heap, s->cls))
			return fault(why, "S4 tagged", rest, tag_at(first + i),
			    tag_of(s->heap, s->cls));
	}
	if (s->listed && s->avail == 0)
		return fault(why, "S5 listed", s, s->avail, 1);
	return true;
}
