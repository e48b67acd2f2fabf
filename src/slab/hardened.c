/* hardened.c - see hardened.h. */
#include "slab/hardened.h"

#include <errno.h>
#include <string.h>

#include "base/crash.h"
#include "os/helper.h"
#include "os/libc.h"
#include "slab/alloc.h"
#include "slab/canary.h"
#include "slab/clear.h"
#include "slab/guard_large.h"
#include "slab/guarded.h"
#include "slab/hardened_cache.h"
#include "slab/init.h"
#include "slab/mapped.h"
#include "slab/misuse.h"
#include "slab/origin.h"
#include "slab/orphan.h"
#include "slab/place.h"
#include "slab/quarantine.h"
#include "slab/remote.h"
#include "slab/thread.h"

unsigned char perturb_byte;

/* The calling thread's state, with a heap; NULL: no memory, or the thread has ended. */
static struct hardened *state(void)
{
	if (likely(hardened_mine != NULL && hardened_mine->cache.heap != NULL))
		return hardened_mine;
	return thread_heap() != NULL ? hardened_mine : NULL;
}

/* ---- a slot becomes an object ---------------------------------------------------------------- */

/* Prefetch the next object to be given out: it left the caches in quarantine. */
static void *pop(struct hardened *h, unsigned cls)
{
	if (hardening.check_on_reuse)
		__builtin_prefetch(h->cache.magazine[cls].top[-2], 1);
	return cache_pop(&h->cache, cls);
}

/* The caller owns p's slab. Read the live bit first: a signal handler, or a child of its fork(),
 * may free the object after p. The caller takes zeros at the end of a live object for an object
 * that is being made, and a canary in a free slot for a write after free. */
static inline void *become_live(void *p, unsigned cls, size_t n)
{
	const size_t size = size_class[cls].size;

	if (cls != CLASS_ZERO && hardening.check_on_reuse) {
		touch(p, size);
		if (unlikely(!is_clear(p, size)))
			slab_misuse("write after free", p, size);
	}
	live_set(p);
	atomic_signal_fence(memory_order_seq_cst);
	if (cls != CLASS_ZERO && hardening.canary)
		canary_write(p, n, size, ORIGIN_MALLOC);
	return p;
}

/* For a thread without a heap of its own. */
static void *take_fallback(unsigned cls, size_t n)
{
	if (!slab_start_up())
		return NULL;
	lock_take(&fallback_lock);
	void *p = thread_pop_fallback(cls);
	if (p != NULL)
		p = become_live(p, cls, n);
	lock_give(&fallback_lock);
	return p;
}

static bool fill(struct hardened *h, struct magazine *k, unsigned cls)
{
	hardened_trim(h); /* it may be of this class */
	if (!magazine_empty(k))
		return true;
	if (!cache_fill(&h->cache, cls))
		return false;
	if (hardening.random_order)
		hardened_shuffle(h, cls);
	return true;
}

static void *take(unsigned cls, size_t n)
{
	struct hardened *const h = state();
	void *p = NULL;

	if (likely(h != NULL)) {
		struct magazine *const k = &h->cache.magazine[cls];
		if (likely(!magazine_empty(k)) || fill(h, k, cls))
			return become_live(pop(h, cls), cls, n);
	} else {
		p = take_fallback(cls, n);
	}
	if (p == NULL)
		errno = ENOMEM;
	return p;
}

static size_t with_canary(size_t n)
{
	return n + (hardening.canary && n != 0 ? CANARY_LEAST : 0);
}

/* Put an object into a slot, with or without a canary. */
static bool fits_slot(size_t n)
{
	return n <= MEDIUM_MAX;
}

static __attribute__((noinline)) void *take_guarded(size_t n)
{
	return n - 1 < MEDIUM_MAX ? guarded_malloc(n, __builtin_return_address(0)) : NULL;
}

/* mallopt(M_PERTURB), for n bytes of a new object or NULL. */
static void *perturb(void *p, size_t n)
{
	return p != NULL ? memset(p, (unsigned char)~perturb_byte, n) : NULL;
}

static __attribute__((noinline)) void *malloc_any(size_t n, bool due)
{
	bool clean;
	void *p = due ? take_guarded(n) : NULL;
	if (likely(p == NULL))
		p = likely(fits_slot(n)) ? take(class_of(with_canary(n)), n)
		                         : guard_large_malloc(n, 1, &clean);
	return unlikely(perturb_byte != 0) ? perturb(p, n) : p;
}

/* Most calls with the preset: up to 32 KiB, out of a magazine. */
void *hardened_malloc(size_t n)
{
	struct hardened *const h = hardened_mine;
	const bool due = guarded_due(1);

	if (unlikely(!hardening.usual || h == NULL || due || n == 0 || !fits_slot(n)))
		return malloc_any(n, due);
	const unsigned cls = class_of(n + CANARY_LEAST);
	struct magazine *const k = &h->cache.magazine[cls];
	void *const p = k->top[-1];
	if (unlikely(p == NULL || perturb_byte != 0) ||
	    unlikely(root.marked != MARKED_NOT && (tag_around(p) & TAG_REMOTE) != 0))
		return malloc_any(n, false);
	__builtin_prefetch(k->top[-2], 1);
	k->top--;
	const size_t size = size_class[cls].size;
	touch(p, size);
	if (unlikely(!is_clear(p, size)))
		slab_misuse("write after free", p, size);
	live_set(p); /* first, as in become_live() */
	atomic_signal_fence(memory_order_seq_cst);
	canary_write(p, n, size, ORIGIN_MALLOC);
	return p;
}

void *hardened_calloc(size_t n)
{
	bool clean = hardening.zero_on_free; /* H1 */
	void *const guarded = guarded_due(1) ? take_guarded(n) : NULL;
	if (unlikely(guarded != NULL))
		return memset(guarded, 0, n);
	void *const p =
	    fits_slot(n) ? take(class_of(with_canary(n)), n) : guard_large_malloc(n, 1, &clean);
	return p != NULL && !clean ? memset(p, 0, n) : p;
}

static void *take_aligned(size_t align, size_t n)
{
	bool clean;

	if (!fits_slot(n) || align > GRANULE)
		return guard_large_malloc(n, align, &clean);
	unsigned cls = class_of(with_canary(n == 0 ? 1 : n));
	while (cls < class_count && size_class[cls].size % align != 0)
		cls++;
	return cls < class_count ? take(cls, n) : guard_large_malloc(n, align, &clean);
}

void *hardened_aligned(size_t align, size_t n)
{
	void *const p = take_aligned(align, n);
	return unlikely(perturb_byte != 0) ? perturb(p, n) : p;
}

/* ---- an object becomes a slot ---------------------------------------------------------------- */

static uint32_t tag_of_object(const void *p)
{
	return tag_at(((uintptr_t)p - root.base) >> GRANULE_SHIFT);
}

/* Its last bytes are those that a free leaves; false if it leaves all bytes as they are. */
static bool is_cleared_at_end(const void *p, size_t size)
{
	const unsigned char *const end = ptr_add(p, size);
	const unsigned char byte = hardening.zero_on_free ? 0 : perturb_byte;

	if (!hardening.zero_on_free && byte == 0)
		return false;
	for (size_t i = 1; i <= sizeof(canary_word); i++)
		if (end[-(ptrdiff_t)i] != byte)
			return false;
	return true;
}

/* If two threads free an object at once, one of them finds it cleared by the other: then it stops
 * being live while we wait, or is marked, whose flag may be raised later.  The kernel may stop the
 * other thread between the two for as long as it likes, so wait up to about a second where the end
 * is clear.  An overflow that leaves other bytes there is named after three looks, and after one
 * if there is no other thread. */
static bool waits_again(const void *p, size_t size, int look)
{
	enum { FIRST_LOOKS = 3, LOOKS = 1000 };
	const int looks = libc_single_threaded() ? 1 : LOOKS;

	return look < looks && (look < FIRST_LOOKS || (size != 0 && is_cleared_at_end(p, size)));
}

static __attribute__((noinline)) _Noreturn void not_whole(const void *p, size_t size)
{
	bool live = true;

	for (int look = 0; live && waits_again(p, size, look); look++) {
		helper_pause_ms(1);
		const uint64_t marks = atomic_load_explicit(mark_word(p), memory_order_acquire);
		live = (live_word(p) & ~marks & bit_of(p)) != 0;
	}
	if (live)
		canary_damaged();
	slab_misuse(live ? "write past the end" : "double free", p, size);
}

/* Whole, and then clear. */
static inline void leave(void *p, unsigned cls)
{
	const size_t size = size_class[cls].size;

	if (unlikely(cls == CLASS_ZERO))
		return;
	if (hardening.canary) {
		const struct canary c = canary_read(p, size);
		if (unlikely(c.slack == 0))
			not_whole(p, size);
		if (unlikely(c.origin != ORIGIN_MALLOC)) /* operator delete has taken it off */
			slab_mismatch("free", p, size, c.origin);
	}
	if (hardening.zero_on_free)
		clear(p, size);
	else if (unlikely(perturb_byte != 0))
		memset(p, perturb_byte, size);
}

/* The object or free slot that ends where p begins, in a slab of the calling thread; *its_size 0:
 * bytes of such a slab that are in no slot. NULL: the bytes before p are not the calling
 * thread's. */
static const char *before(const struct hardened *h, const void *p, size_t size, size_t *its_size)
{
	const size_t granule = ((uintptr_t)p - root.base) >> GRANULE_SHIFT;
	const struct slab *s = slab_covering(granule);

	*its_size = size;
	if (p != slab_start(s))
		return (const char *)p - size;
	if ((tag_at(granule - 1) & ~TAG_REMOTE) >> TAG_HEAP_SHIFT != h->cache.tag >> TAG_HEAP_SHIFT)
		return NULL;
	s = slab_covering(granule - 1);
	if (s->cls == CLASS_ZERO)
		return NULL;
	*its_size = slab_start(s) + (size_t)s->count * s->size == p ? s->size : 0;
	return (const char *)p - *its_size;
}

/* Are the last 16 bytes before p intact? They are the end of an object or of a free slot or, with
 * size 0, in no slot. */
static bool is_whole_before(const char *before, const void *p, size_t size)
{
	if (size != 0 && object_live(before))
		return !hardening.canary || canary_plausible(before, size);
	return !hardening.zero_on_free || is_clear((const char *)p - 16, 16);
}

/* p has an underflow, or the object before it an overflow. The calling thread owns the slab, so no
 * other thread allocates there; but another thread may be freeing or resizing the object before p:
 * so look again, as long as not_whole() does: while a free has filled the end and has not marked
 * the object yet, the kernel may stop that thread. */
static __attribute__((noinline)) void judge_before(const struct hardened *h, const void *p,
    unsigned cls)
{
	size_t size;
	const char *const its = before(h, p, size_class[cls].size, &size);

	for (int look = 0; its != NULL && !is_whole_before(its, p, size); look++) {
		if (waits_again(its, size, look)) {
			helper_pause_ms(1);
			continue;
		}
		if (size != 0 && !object_live(its))
			slab_misuse("write after free", its, size);
		canary_damaged();
		slab_misuse("write before the start", p, size_class[cls].size);
	}
}

/* At the start of a page the bytes before it may be another thread's, or inaccessible: before()
 * decides. */
static inline void check_before(const struct hardened *h, const void *p, unsigned cls)
{
	if (!(hardening.canary || hardening.zero_on_free) || cls == CLASS_ZERO)
		return;
	if (likely((uintptr_t)p % GRANULE != 0)) {
		const canary_word last = *(const canary_word *)((uintptr_t)p - CANARY_WORD);
		const size_t size = size_class[cls].size;
		if (likely((last[0] | last[1]) == 0) ||
		    likely(is_whole_before((const char *)p - size, p, size)))
			return;
	}
	judge_before(h, p, cls);
}

static __attribute__((noinline)) bool free_own(struct hardened *h, void *p, unsigned cls)
{
	check_before(h, p, cls);
	leave(p, cls);
	live_word_set(p, live_word(p) & ~bit_of(p));
	if (hardening.quarantine != 0)
		return hardened_wait(h, p, cls);
	hardened_push(h, p, cls);
	return true;
}

/* Most frees with the preset: the object's canary is short, and so is that of the object before it,
 * or no object is there; what is otherwise free_own() looks at. */
static inline bool free_usual(struct hardened *h, void *p, unsigned cls)
{
	const size_t size = size_class[cls].size;
	const canary_half *const last = p;

	if (unlikely((uintptr_t)p % GRANULE == 0 ||
	             !canary_is_short(p, ptr_add(p, size), ORIGIN_MALLOC + 1)) ||
	    ((last[-1] | last[-2]) != 0 &&
	        unlikely(!canary_is_short((const char *)p - size, p, ORIGINS))))
		return free_own(h, p, cls);
	clear(p, size);
	live_word_set(p, live_word(p) & ~bit_of(p));
	return hardened_wait(h, p, cls);
}

/* A live object's class, or CLASS_RUN, CLASS_GUARDED, CLASS_MAPPED; the program ends if p is none
 * of them. */
static unsigned class_at(const char *call, const void *p)
{
	struct place at = place_of(p);

	if (unlikely(at.slab == NULL))
		at = orphan_settle_object(p) ? place_of(p) : place_outside(call, p);
	return at.slab->cls;
}

/* Objects of another thread, objects whose slab has others' frees, large objects, and foreign
 * pointers. */
static __attribute__((noinline)) bool free_other(void *p)
{
	if (mapped_free(p) || guarded_frees(p))
		return true;
	const unsigned cls = class_at("free", p);
	struct hardened *const h = state();
	if (cls == CLASS_RUN) {
		if (hardening.origins)
			origin_check("free", p, ORIGIN_MALLOC);
		guard_large_free(p);
		return true;
	}
	if (h == NULL ||
	    (tag_of_object(p) & ~TAG_REMOTE) >> TAG_HEAP_SHIFT != h->cache.tag >> TAG_HEAP_SHIFT) {
		leave(p, cls);
		return remote_free(p, tag_of_object(p));
	}
	free_own(h, p, cls);
	cache_look_around(&h->cache);
	return true;
}

bool hardened_free(void *p)
{
	const size_t off = (uintptr_t)p - root.base,
	    unit = off >> UNIT_SHIFT | off << (64 - UNIT_SHIFT);
	struct hardened *const h = hardened_mine;

	if (likely(h != NULL && unit < __atomic_load_n(&root.units, __ATOMIC_RELAXED))) {
		const uint32_t place = tag_at(unit >> (GRANULE_SHIFT - UNIT_SHIFT)) ^ h->cache.tag;
		if (likely(place < CLASS_MAX * TAG_MAGAZINE && (live_word(p) & bit_of(p)) != 0))
			return likely(hardening.usual && place / TAG_MAGAZINE != CLASS_ZERO)
			           ? free_usual(h, p, place / TAG_MAGAZINE)
			           : free_own(h, p, place / TAG_MAGAZINE);
	}
	return free_other(p);
}

/* ---- what an object is ----------------------------------------------------------------------- */

/* The requested size, if canaries record it. */
static size_t slot_usable(const void *p, unsigned cls)
{
	const size_t size = size_class[cls].size;

	if (cls == CLASS_ZERO)
		return 0;
	if (!hardening.canary)
		return size;
	const size_t slack = canary_read(p, size).slack;
	if (unlikely(slack == 0))
		not_whole(p, size);
	return size - slack;
}

static size_t usable_of(const void *p, unsigned cls)
{
	if (unlikely(cls == CLASS_GUARDED || cls == CLASS_MAPPED))
		return place_outside("free", p).size;
	return cls == CLASS_RUN ? guard_large_usable(p) : slot_usable(p, cls);
}

size_t hardened_usable(const void *p)
{
	return usable_of(p, class_at("malloc_usable_size", p));
}

void hardened_free_sized(void *p, size_t n)
{
	const size_t usable = usable_of(p, class_at("free", p));

	if (unlikely(hardening.canary ? n != usable : n > usable))
		slab_wrong_size(n, p, usable);
	hardened_free(p);
}

/* It stays in place with another end. */
static void *resize_slot(void *p, unsigned cls, size_t usable, size_t n)
{
	char *const end = (char *)p + min_size(usable, n);
	const size_t size = size_class[cls].size;

	if (hardening.zero_on_free)
		memset(end, 0, size - (size_t)(end - (char *)p));
	canary_write(p, n, size, ORIGIN_MALLOC);
	return p;
}

void *hardened_realloc(void *p, size_t n)
{
	const unsigned cls = class_at("realloc", p);
	const size_t usable = usable_of(p, cls);

	if (hardening.origins)
		origin_check("realloc", p, ORIGIN_MALLOC);
	if (cls == CLASS_RUN && !fits_slot(n))
		return guard_large_resize(p, n);
	if (cls != CLASS_RUN && cls != CLASS_ZERO && fits_slot(n) &&
	    class_of(with_canary(n)) == cls)
		return hardening.canary ? resize_slot(p, cls, usable, n) : p;
	void *const q = hardened_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, min_size(n, usable));
	hardened_free(p);
	return q;
}
