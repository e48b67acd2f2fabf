/* heap.c - the slabs of a heap: lists, the inbox, slabs without a live object; heaps that
 * change their thread. */
#include "slab/heap.h"

#include "base/assert.h"
#include "slab/misuse.h"
#include "slab/orphan.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/window.h"

/* ---- lists ---------------------------------------------------------------------------------- */

/* Is s in its ring, and are its neighbours' links to it? */
static bool linked(const struct slab *s)
{
	const uint32_t me = granule_of(s);

	return slab_at(s->prev)->next == me && slab_at(s->next)->prev == me;
}

/* Check the first slabs of a ring, in debug builds, on each slow path: a heap may have 100,000. */
static bool ring_whole(const struct slab_heap *h, unsigned cls)
{
	enum { MOST = 64 };
	const uint32_t first = h->partial[cls];
	uint32_t at = first;
	int looked = 0;

	if (first == 0)
		return true;
	do {
		const struct slab *const s = slab_at(at);
		if (kind_of(s) != GRANULE_SLAB || heap_of(s) != h || s->cls != cls ||
		    s->avail == 0 || !linked(s) ||
		    (s->listed != LISTED && s->listed != LISTED_KEPT))
			return false;
		at = s->next;
	} while (at != first && ++looked < MOST);
	return true;
}

/* Fields that change under a lock, and at which a thread that looks for a slab looks without it. */
static uint32_t look(const uint32_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void change(uint32_t *at, uint32_t to)
{
	__atomic_store_n(at, to, __ATOMIC_RELAXED);
}

/* A ring, oldest first: the slab that has waited longest has collected most free objects. */
static void list_slab(struct slab_heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s), first = h->partial[s->cls];

	CHECK(heap_held(h) && heap_of(s) == h && s->listed != LISTED && s->listed != LISTED_KEPT);
	s->listed = LISTED;
	s->next = s->prev = me;
	if (first != 0) {
		struct slab *const head = slab_at(first);
		s->next = first;
		s->prev = head->prev;
		slab_at(head->prev)->next = me;
		head->prev = me;
	} else {
		change(&h->partial[s->cls], me);
	}
	h->partial_granules += s->granules;
}

void heap_unlist_slab(struct slab_heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s);

	CHECK(heap_held(h) && heap_of(s) == h &&
	      (s->listed == LISTED || s->listed == LISTED_KEPT) && linked(s));
	if (h->partial[s->cls] == me)
		change(&h->partial[s->cls], s->next == me ? 0 : s->next);
	slab_at(s->prev)->next = s->next;
	slab_at(s->next)->prev = s->prev;
	h->partial_granules -= s->granules;
	s->listed = LISTED_NOT;
}

static void keep(struct slab *s)
{
	CHECK(s->listed == LISTED && s->avail == s->count);
	s->listed = LISTED_KEPT;
	atomic_fetch_add_explicit(&root.kept, s->granules, memory_order_relaxed);
}

static void unkeep(struct slab *s)
{
	CHECK(s->listed == LISTED_KEPT);
	s->listed = LISTED;
	s->seen_avail = 0;
	atomic_fetch_sub_explicit(&root.kept, s->granules, memory_order_relaxed);
}

/* No object of the slab is live. A slab that another thread is about to put into the inbox stays
 * until the inbox is drained. If the flag is up all the time, a thread may have marked an object
 * between slab_collect's two stores: it saw the object live and the slab flagged, so it left only a
 * mark. */
static void release(struct slab_heap *h, struct slab *s, uint32_t flag)
{
	uint32_t tag = tag_of(s->heap, s->cls) | flag;

	CHECK(heap_held(h) && s->listed == LISTED && s->avail == s->count);
	if (!atomic_compare_exchange_strong_explicit(&root.tags[granule_of(s)], &tag, TAG_CLOSED,
	        memory_order_acq_rel, memory_order_relaxed))
		return;
	if (flag != 0)
		slab_expect_no_marks(s);
	heap_unlist_slab(h, s);
	if (!slab_close(s)) { /* it stays for the next malloc(0), which takes no memory */
		slab_tag(s, s->heap);
		list_slab(h, s);
	}
}

void heap_settle_slab(struct slab_heap *h, struct slab *s)
{
	CHECK(heap_held(h) && heap_of(s) == h && s->avail <= s->count);
	if (s->listed == LISTED_PURGING)
		return;
	if (s->listed == LISTED_NOT && s->avail > 0)
		list_slab(h, s);
	if (s->avail < s->count || s->listed == LISTED_KEPT)
		return;
	if (h->owner != NULL && s->next == granule_of(s))
		keep(s);
	else
		release(h, s, 0);
}

static void release_kept(struct slab_heap *h, struct slab *s)
{
	if (s->listed != LISTED_KEPT)
		return;
	unkeep(s);
	release(h, s, 0);
}

void heap_release_all_kept(struct slab_heap *h)
{
	CHECK(heap_held(h));
	for (unsigned cls = 0; cls < class_count; cls++)
		if (h->partial[cls] != 0)
			release_kept(h, slab_at(h->partial[cls]));
}

void heap_release_idle_kept(struct slab_heap *h)
{
	CHECK(heap_held(h));
	for (unsigned cls = 0; cls < class_count; cls++) {
		if (h->partial[cls] == 0)
			continue;
		struct slab *const s = slab_at(h->partial[cls]);
		if (s->seen_avail == s->count)
			release_kept(h, s);
		else if (s->listed == LISTED_KEPT)
			s->seen_avail = s->count;
	}
}

/* Lower the flags first, then look: a thread that frees after the look raises them again and pushes
 * the slab again. */
void heap_look_at(struct slab_heap *h, struct slab *s)
{
	const unsigned before = s->avail;

	CHECK(heap_held(h) && heap_of(s) == h && kind_of(s) == GRANULE_SLAB);
	for (uint32_t i = 0; i < s->granules; i++)
		if ((tag_at(granule_of(s) + i) & TAG_REMOTE) != 0)
			atomic_fetch_and(&root.tags[granule_of(s) + i], ~TAG_REMOTE);
	slab_collect(s);
	if (s->avail > before)
		h->fallen += (size_t)(s->avail - before) * s->size;
	heap_settle_slab(h, s);
}

void heap_release_emptied(struct slab_heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s);
	const bool only = s->listed == LISTED_NOT ? h->partial[s->cls] == 0 : s->next == me;

	CHECK(heap_held(h) && heap_of(s) == h && kind_of(s) == GRANULE_SLAB);
	if (only || s->listed == LISTED_KEPT || s->listed == LISTED_PURGING)
		return heap_look_at(h, s);
	slab_collect(s);
	if (s->listed == LISTED_NOT)
		list_slab(h, s);
	release(h, s, TAG_REMOTE);
}

void heap_drain_inbox(struct slab_heap *h)
{
	for (struct slab *s; (s = remote_next_waiting(h)) != NULL;)
		heap_look_at(h, s);
}

/* Look at slabs that wait only until one has objects of the class: the others would be closed if
 * they are all free, and soon be opened again, and other threads still free into some.  Slabs of
 * large objects hold more memory, which any thread may need: a thread that asks for one looks at
 * all that wait. */
static void search_inbox(struct slab_heap *h, unsigned cls)
{
	const bool all = size_class[cls].size >= WORD_BYTES;

	for (struct slab *s; (all || h->partial[cls] == 0) && (s = remote_next_waiting(h)) != NULL;)
		heap_look_at(h, s);
	change(&h->looked, atomic_load_explicit(&h->pushes, memory_order_relaxed));
}

/* ---- heaps and their threads ----------------------------------------------------------------- */

static struct slab_heap *heaps[HEAPS_MAX];

/* heaps_lock is held, or no other thread exists yet. */
static struct slab_heap *heap_new(void)
{
	const uint32_t number = root.heap_count;
	CHECK(lock_held(&root.heaps_lock) || lock_held(&start_lock));
	struct slab_heap *const h = number < root.heap_limit ? window_pool(HEAP_BYTES) : NULL;

	if (h == NULL)
		return NULL;
	h->number = number;
	heaps[number] = h;
	root.heap_count = number + 1;
	return h;
}

/* heaps_lock is held.  NULL: no memory, and no heap left. */
static struct slab_heap *heap_without_thread(void)
{
	struct slab_heap *h;

	CHECK(lock_held(&root.heaps_lock));
	if (root.unused != 0) {
		h = heap_at(root.unused);
		CHECK(h->owner == NULL && h->taker == 0 && !h->orphan);
		change(&root.unused, h->next_unused);
	} else if ((h = heap_new()) == NULL) {
		h = orphan_adopt();
	}
	return h;
}

struct slab_heap *heap_acquire(void)
{
	lock_take(&root.heaps_lock);
	struct slab_heap *const h = heap_without_thread();
	if (h != NULL)
		h->taker = lock_self();
	lock_give(&root.heaps_lock);
	return h;
}

void heap_set_free(struct slab_heap *h)
{
	CHECK(h->owner == NULL && h->taker == lock_self());
	lock_take(&root.heaps_lock);
	change(&h->next_unused, root.unused);
	change(&root.unused, heap_number(h));
	h->taker = 0;
	lock_give(&root.heaps_lock);
	remote_settle_for(h); /* as after each release of the lock of a heap without a thread */
}

/* Move a slab of `from`, which has no thread, to another heap, unless other threads are about to
 * free into it. They may do so at any moment: its first granule has at every moment the tag of one
 * of the two heaps. */
static bool move_slab(struct slab_heap *h, struct slab_heap *from, struct slab *s)
{
	const unsigned heap = heap_number(h);
	uint32_t tag = tag_of(s->heap, s->cls);

	CHECK(lock_held(&h->lock) && lock_held(&from->lock) && from->owner == NULL &&
	      heap_of(s) == from);
	if (from->orphan)
		orphan_settle_slab(s);
	if (!atomic_compare_exchange_strong(&root.tags[granule_of(s)], &tag, tag_of(heap, s->cls)))
		return false;
	heap_unlist_slab(from, s);
	slab_tag_rest(s, heap);
	slab_collect(s);
	heap_settle_slab(h, s);
	return true;
}

static bool reclaim_from(struct slab_heap *h, struct slab_heap *from, unsigned cls)
{
	bool found = false;

	if (from == h || look(&from->partial[cls]) == 0 || !lock_try(&from->lock))
		return false;
	if (from->owner == NULL && from->partial[cls] != 0)
		found = move_slab(h, from, slab_at(from->partial[cls]));
	lock_give(&from->lock);
	remote_settle_for(from);
	return found;
}

enum { RECLAIM_LOOKS = 8 }; /* heaps without a thread that a refill looks at */

/* A slab with objects of the class out of a heap without a thread.  h's lock is held. */
static bool reclaim(struct slab_heap *h, unsigned cls)
{
	bool found = false;
	uint32_t number = look(&root.unused);

	for (int looks = 0; !found && number != 0 && looks < RECLAIM_LOOKS; looks++) {
		struct slab_heap *const from = heap_at(number);
		number = look(&from->next_unused);
		found = reclaim_from(h, from, cls);
	}
	for (int looks = 0; !found && root.orphans != 0 && looks < RECLAIM_LOOKS; looks++) {
		struct slab_heap *const from = orphan_next();
		if (from == NULL)
			break;
		remote_settle_for(from);
		found = reclaim_from(h, from, cls);
	}
	return found && h->partial[cls] != 0;
}

bool heap_start_up(void)
{
	root.heaps = heaps;
	root.heap_limit = HEAPS_MAX;
	root.heap_count = HEAP_FALLBACK;
	return heap_new() != NULL;
}

uint32_t heap_new_shared(void)
{
	const struct slab_heap *const h = heap_new();
	return h != NULL ? heap_number(h) : 0;
}

/* ---- objects in and out ---------------------------------------------------------------------- */

/* Set the bits in avail of object[0] and of the following ones, up to `end`, that lie in the same
 * KiB of slab s. Returns the first that lies elsewhere. */
static inline void *const *put_back_word(const struct slab *s, void *const *const object,
    void *const *const end)
{
	const uintptr_t first = (uintptr_t)*object, word = round_down(first, WORD_BYTES);
	_Atomic uint64_t *const at = avail_word(*object);
	const uint64_t avail = atomic_load_explicit(at, memory_order_relaxed);
	void *const *next = object + 1;
	uint64_t bits = 0;
	size_t off;

	bit_add(&bits, first / MAX_ALIGN);
	for (; next != end && (off = (uintptr_t)*next - word) < WORD_BYTES; next++)
		bit_add(&bits, off / MAX_ALIGN);
	if (unlikely((avail & bits) != 0))
		slab_freed_twice(s, *object, avail & bits);
	atomic_store_explicit(at, avail | bits, memory_order_relaxed);
	return next;
}

/* Put object[0] and the following ones, up to `end`, that lie in the same granule into avail.
 * Returns the first that lies elsewhere. */
static inline void *const *put_back_granule(struct slab_heap *h, void *const *const object,
    void *const *const end)
{
	const uintptr_t granule = round_down((uintptr_t)*object, GRANULE);
	struct slab *const s = slab_covering((granule - root.base) >> GRANULE_SHIFT);
	void *const *next = object;

	/* The slab was closed while its owner was inside its free of this object. */
	if (unlikely(s->heap != heap_number(h)))
		slab_freed_twice(s, *object, bit_of(*object));
	do
		next = put_back_word(s, next, end);
	while (next < end && (uintptr_t)*next - granule < GRANULE);
	s->avail = (uint16_t)(s->avail + (next - object));
	if (unlikely(s->listed != LISTED || s->avail == s->count))
		heap_settle_slab(h, s);
	return next;
}

/* Each object may need two lines of memory that are in no cache: fetch those of the first ones at
 * once. */
static inline void fetch_ahead(void *const *object, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		__builtin_prefetch((const void *)avail_word(object[i]), 1);
		__builtin_prefetch(
		    slab_at(((uintptr_t)object[i] - root.base) >> GRANULE_SHIFT), 1);
	}
}

size_t heap_put_back_some(struct slab_heap *h, void *const *object, size_t n, unsigned cls)
{
	void *const *const first = object, *const *const end = object + n;

	CHECK(heap_held(h));
	fetch_ahead(object, min_size(n, FLUSH_SLABS));
	for (int slabs = 0; object < end && slabs < FLUSH_SLABS; slabs++)
		object = put_back_granule(h, object, end);
	n = (size_t)(object - first);
	h->fallen += n * size_class[cls].size;
	DEBUG_CHECK(ring_whole(h, cls));
	return n;
}

size_t heap_put_back(struct slab_heap *h, void *const *object, size_t n, unsigned cls)
{
	size_t slabs = 0;

	for (size_t done; n > 0; object += done, n -= done, slabs += FLUSH_SLABS)
		done = heap_put_back_some(h, object, n, cls);
	return slabs;
}

static struct slab *find_partial(struct slab_heap *h, unsigned cls)
{
	if (h->partial[cls] == 0)
		search_inbox(h, cls);
	if (h->partial[cls] == 0 && !reclaim(h, cls))
		return NULL;
	return slab_at(h->partial[cls]);
}

static struct slab *find_new(struct slab_heap *h, unsigned cls)
{
	struct slab *const s = slab_open(cls, heap_number(h));

	if (s != NULL) {
		slab_tag(s, heap_number(h));
		list_slab(h, s);
		struct dmm_fault why;
		DEBUG_CHECK(slab_check(s, &why)); /* no other thread has an object of it yet */
	}
	return s;
}

/* So many bytes went from slabs to a magazine. If that is more than came back from magazines since
 * pages of slabs were given back, those pages should have stayed resident, wherever they are: a
 * slab may have been closed since, and another opened. */
static void note_taken(struct slab_heap *h, size_t bytes)
{
	const size_t again = bytes > h->fallen ? bytes - h->fallen : 0;

	h->fallen -= bytes - again;
	low_water_note(&h->pages, h->fallen);
	if (unlikely(again != 0 && predict_waits(&pages_predictor)))
		purge_pages_asked(again);
}

void **heap_take_objects(struct slab_heap *h, unsigned cls, void **end, void **bottom)
{
	void **at = end;

	CHECK(heap_held(h) && cls < class_count && bottom < end);
	/* hardened by random_order: enough to draw the next object from */
	void **const least = hardening.random_order ? end - RANDOM_LEAST : end;
	for (unsigned n = 0; at > bottom && (n < refill_slabs(cls) || at > least); n++) {
		struct slab *s = find_partial(h, cls);
		if (s == NULL && (at < end || (s = find_new(h, cls)) == NULL))
			break;
		__builtin_prefetch(slab_at(s->next), 1);
		if (s->listed == LISTED_KEPT)
			unkeep(s);
		void **const from = at;
		at = slab_take(s, at, bottom);
		note_taken(h, (size_t)(from - at) * s->size);
		if (s->avail == 0)
			heap_unlist_slab(h, s);
	}
	DEBUG_CHECK(ring_whole(h, cls));
	return at;
}

void *heap_take_one(struct slab_heap *h, unsigned cls)
{
	struct slab *const s = h->partial[cls] != 0 ? slab_at(h->partial[cls]) : find_new(h, cls);
	void *object[1];

	CHECK(heap_held(h) && h->owner == NULL && cls < class_count);
	if (s == NULL)
		return NULL;
	slab_take(s, object + 1, object);
	note_taken(h, s->size);
	if (s->avail == 0)
		heap_unlist_slab(h, s);
	live_set(object[0]);
	return object[0];
}
