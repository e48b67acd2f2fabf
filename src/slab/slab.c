/* slab.c - open, close and look at one slab; find the object that a pointer means. */
#include "slab/slab.h"

#include <string.h>

#include "base/assert.h"
#include "base/crash.h"
#include "slab/hardened.h"
#include "slab/mapped.h"
#include "slab/page_heap.h"
#include "slab/settings.h"

/* ---- words of a slab: one for each KiB, or, of larger objects, those in which one begins ------------ */

static unsigned slab_words(const struct slab *s)
{
	return s->size < WORD_BYTES ? s->granules * (unsigned)GRANULE_WORDS : s->count;
}

static char *word_address(const struct slab *s, unsigned w)
{
	return slab_start(s) + (size_t)w * max_size(s->size, WORD_BYTES);
}

/* Mark every object avail. */
static void fill(struct slab *s)
{
	const char *p = slab_start(s);

	for (unsigned i = 0; i < s->count;) {
		_Atomic uint64_t *const word = avail_word(p);
		uint64_t bits = 0;
		for (; i < s->count && avail_word(p) == word; i++, p += s->size)
			bits |= bit_of(p);
		atomic_store_explicit(word, bits, memory_order_relaxed);
	}
}

struct slab *slab_open(unsigned cls)
{
	const struct size_class *c = &size_class[cls];
	bool clean;
	const uint32_t first = run_take(c->granules, 1, &clean);

	if (first == 0)
		return NULL;
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
	if (cls == CLASS_ZERO) /* malloc(0): whoever touches it faults; if refused, it is just 16 bytes */
		root.os->protect(root.os->ctx, slab_start(s), GRANULE, DMM_PROTECT_NONE);
	return s;
}

void slab_tag_rest(struct slab *s, unsigned heap)
{
	const uint32_t first = granule_of(s);

	s->heap = (uint16_t)heap;
	for (uint32_t i = 1; i < s->granules; i++)
		atomic_store_explicit(&root.tags[first + i], tag_of(heap, s->cls), memory_order_release);
}

void slab_tag(struct slab *s, unsigned heap)
{
	slab_tag_rest(s, heap);
	atomic_store_explicit(&root.tags[granule_of(s)], tag_of(heap, s->cls), memory_order_release);
}

bool slab_close(struct slab *s)
{
	const uint32_t first = granule_of(s);

	if (s->cls == CLASS_ZERO &&
	    root.os->protect(root.os->ctx, slab_start(s), GRANULE, DMM_PROTECT_RW) != 0)
		return false; /* past vm.max_map_count */
	for (unsigned w = 0; w < slab_words(s); w++) {
		atomic_store_explicit(avail_word(word_address(s, w)), 0, memory_order_relaxed);
		live_word_set(word_address(s, w), 0);
	}
	s->heap = 0; /* the purger, who holds the lock of the heap that it found here, looks again */
	atomic_store_explicit(&s->kind, GRANULE_FREED, memory_order_relaxed);
	for (uint32_t i = 1; i < s->granules; i++) {
		atomic_store_explicit(&root.tags[first + i], TAG_CLOSED, memory_order_relaxed);
		atomic_store_explicit(&slab_at(first + i)->kind, GRANULE_FREED_REST, memory_order_relaxed);
	}
	run_give(first, s->granules, false); /* also of no bytes: what lay there before lies there still */
	return true;
}

void slab_freed_twice(const struct slab *s, const void *p, uint64_t bits)
{
	const uintptr_t base = round_down((uintptr_t)p, WORD_BYTES);
	const void *const first = (const void *)(base + ((uintptr_t)__builtin_ctzll(bits) << UNIT_SHIFT));
	slab_misuse("double free", first, slab_usable_size(s));
}

void **slab_take(struct slab *s, void **out, void **const stop)
{
	void **const before = out;

	for (unsigned w = 0; w < slab_words(s) && out > stop; w++) {
		char *const p = word_address(s, w);
		const uint64_t all = avail_bits(p);
		if (all == 0)
			continue;
		char *const base = (char *)round_down((uintptr_t)p, WORD_BYTES);
		uint64_t rest = all;
		do {
			*--out = base + ((size_t)__builtin_ctzll(rest) << UNIT_SHIFT);
			rest &= rest - 1;
		} while (rest != 0 && out > stop);
		const uint64_t got = all & ~rest, twice = got & (live_word(p) | mark_bits(p));
		if (unlikely(twice != 0))
			slab_freed_twice(s, p, twice);
		avail_set(p, rest);
	}
	s->avail = (uint16_t)(s->avail - (before - out));
	s->purged = 0;
	return out;
}

/* The mark goes before the live bit: so who set a mark and then finds that it stands, and that the object is not
 * live, knows that nobody has collected it (remote.c). */
void slab_collect(struct slab *s)
{
	const bool torn = heap_of(s)->orphan; /* live and marks are then copies of different moments */
	unsigned n = 0;

	for (unsigned w = 0; w < slab_words(s); w++) {
		char *const p = word_address(s, w);
		const uint64_t marks = atomic_load(mark_word(p)), live = live_word(p);
		if (marks == 0)
			continue;
		if (unlikely((marks & ~live) != 0) && !torn)
			slab_freed_twice(s, p, marks & ~live);
		atomic_fetch_and(mark_word(p), ~marks);
		atomic_store_explicit(live_word_at(p), live & ~marks, memory_order_release);
		const uint64_t freed = unlikely(hardening.quarantine != 0) ? hardened_detain(s, p, marks) : marks;
		n += popcount(freed & ~avail_bits(p));
		avail_set(p, avail_bits(p) | freed);
	}
	s->avail = (uint16_t)(s->avail + n);
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

/* ---- what is at an address ---------------------------------------------------------------------- */

static struct place run_place(struct slab *s, size_t off)
{
	const size_t size = (size_t)s->run << GRANULE_SHIFT;
	const bool starts = off % GRANULE == 0;

	if (kind_of(s) == GRANULE_FREED)
		return (struct place){.size = size, .freed = starts};
	return starts ? (struct place){.slab = s, .size = size} : (struct place){.size = size};
}

/* The slab that covers a granule, or covered it, if its first granule tells of it still. */
static struct slab *slab_or_what_it_was(size_t granule)
{
	struct slab *const s = slab_covering(granule);

	if (kind_of(s) != GRANULE_FREED_REST)
		return s;
	struct slab *const head = slab_at(s->head);
	const bool tells = kind_of(head) == GRANULE_FREED && head->cls != CLASS_RUN &&
	    granule < s->head + head->granules;
	return tells ? head : s;
}

struct place place_of(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;
	if (off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE))
		return (struct place){0};
	const uint32_t tag = tag_at(off >> GRANULE_SHIFT);
	if (likely(tag_heap(tag) != 0 && off % MAX_ALIGN == 0 && object_live(p)))
		return (struct place){.slab = slab_covering(off >> GRANULE_SHIFT),
		    .size = class_usable(tag_class(tag))};

	struct slab *const s = slab_or_what_it_was(off >> GRANULE_SHIFT);
	const enum granule_kind kind = kind_of(s);
	if (kind != GRANULE_SLAB && kind != GRANULE_RUN && kind != GRANULE_FREED)
		return (struct place){0};
	if (s->cls == CLASS_RUN)
		return run_place(s, off);
	const size_t within = (uintptr_t)p - (uintptr_t)slab_start(s), size = slab_usable_size(s);
	const bool starts = within % s->size == 0 && within / s->size < s->count;
	return (struct place){.size = size, .freed = starts};
}

void slab_misuse(const char *what, const void *p, size_t size)
{
	crash("%s: %p (%u bytes)", what, p, size);
}

static void wrong_free(const char *line)
{
	static atomic_flag told = ATOMIC_FLAG_INIT;

	if (surface.sized == SIZED_ABORT)
		crash("%s", line);
	if (surface.sized == SIZED_REPORT && !atomic_flag_test_and_set(&told))
		crash_say("%s; it is freed all the same, and no further such call is told "
		          "(DMM_CONF=sized:abort ends the program, sized:ignore tells none)", line);
}

void slab_wrong_size(size_t n, const void *p, size_t size)
{
	char line[128];

	crash_format(line, sizeof line, "free of %u bytes: %p (%u bytes)", n, p, size);
	wrong_free(line);
}

void slab_wrong_alignment(size_t align, const void *p)
{
	char line[128];

	crash_format(line, sizeof line, "free of an object aligned to %u: %p", align, p);
	wrong_free(line);
}

/* The live run whose inside p is, or NULL.  Only a run's first granule says what it is, and old data may
 * stand at the others. */
static const struct slab *run_around(const void *p)
{
	const size_t off = (uintptr_t)p - root.base;

	if (off >> UNIT_SHIFT >= __atomic_load_n(&root.units, __ATOMIC_ACQUIRE))
		return NULL;
	for (uint32_t g = (uint32_t)(off >> GRANULE_SHIFT), first = g; first > 0; first--) {
		const struct slab *const s = slab_at(first);
		if (kind_of(s) == GRANULE_RUN)
			return first + s->run > g && off != (size_t)first << GRANULE_SHIFT ? s : NULL;
	}
	return NULL;
}

void slab_bad_pointer(const char *call, const void *p)
{
	const struct slab *const run = run_around(p);
	mapped_bad_pointer(call, p);
	if (run != NULL)
		crash("invalid %s: %p (inside %u bytes)", call, p, (size_t)run->run << GRANULE_SHIFT);
	const struct place at = place_of(p);

	if (at.freed && strcmp(call, "free") == 0)
		slab_misuse("double free", p, at.size);
	if (at.freed)
		crash("%s after free: %p (%u bytes)", call, p, at.size);
	if (at.size != 0)
		crash("invalid %s: %p (inside %u bytes)", call, p, at.size);
	crash("invalid %s: %p (not allocated here)", call, p);
}

/* ---- check -------------------------------------------------------------------------------------- */

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found, uint64_t wanted)
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
		const uint64_t live = live_word(p), marks = mark_bits(p), bits = live | avail_bits(p) | marks;
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
			return fault(why, "S4 tagged", rest, tag_at(first + i), tag_of(s->heap, s->cls));
	}
	if (s->listed && s->avail == 0)
		return fault(why, "S5 listed", s, s->avail, 1);
	return true;
}
