/* thread_cache.c - stacks that are empty or full, and the lists behind them. */
#include "slab/thread_cache.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "slab/hardened.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/remote.h"

void *const no_object[1] = {NULL};
__thread struct thread_cache thread_cache = {THREAD_CACHE_NONE};

/* ---- lists ---------------------------------------------------------------------------------- */

/* A ring, oldest first: who has waited longest has gathered most free objects. */
static void list_slab(struct heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s), first = h->partial[s->cls];

	s->listed = LISTED;
	s->next = s->prev = me;
	if (first != 0) {
		struct slab *const head = slab_at(first);
		s->next = first;
		s->prev = head->prev;
		slab_at(head->prev)->next = me;
		head->prev = me;
	} else {
		h->partial[s->cls] = me;
	}
	h->partial_granules += s->granules;
}

void heap_unlist_slab(struct heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s);

	if (h->partial[s->cls] == me)
		h->partial[s->cls] = s->next == me ? 0 : s->next;
	slab_at(s->prev)->next = s->next;
	slab_at(s->next)->prev = s->prev;
	h->partial_granules -= s->granules;
	s->listed = LISTED_NOT;
}

static void keep(struct slab *s)
{
	s->listed = LISTED_KEPT;
	atomic_fetch_add_explicit(&root.kept, s->granules, memory_order_relaxed);
}

static void unkeep(struct slab *s)
{
	s->listed = LISTED;
	s->seen_avail = 0;
	atomic_fetch_sub_explicit(&root.kept, s->granules, memory_order_relaxed);
}

/* Nothing is live.  A slab that somebody is about to put into the inbox stays until it is drained. */
static void release(struct heap *h, struct slab *s, uint32_t flag)
{
	uint32_t tag = tag_of(s->heap, s->cls) | flag;

	if (!atomic_compare_exchange_strong_explicit(&root.tags[granule_of(s)], &tag, TAG_CLOSED,
	        memory_order_acq_rel, memory_order_relaxed))
		return;
	heap_unlist_slab(h, s);
	if (!slab_close(s)) { /* it stays, for the next malloc(0): that takes no memory */
		slab_tag(s, s->heap);
		list_slab(h, s);
	}
}

void heap_settle_slab(struct heap *h, struct slab *s)
{
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

static void release_kept(struct heap *h, struct slab *s)
{
	if (s->listed != LISTED_KEPT)
		return;
	unkeep(s);
	release(h, s, 0);
}

void heap_release_all_kept(struct heap *h)
{
	for (unsigned cls = 0; cls < class_count; cls++)
		if (h->partial[cls] != 0)
			release_kept(h, slab_at(h->partial[cls]));
}

void heap_release_idle_kept(struct heap *h)
{
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

/* The flags first, then the look: whoever frees after it puts them up, and the slab in, again. */
void heap_look_at(struct heap *h, struct slab *s)
{
	const unsigned before = s->avail;

	for (uint32_t i = 0; i < s->granules; i++)
		if ((tag_at(granule_of(s) + i) & TAG_REMOTE) != 0)
			atomic_fetch_and(&root.tags[granule_of(s) + i], ~TAG_REMOTE);
	slab_collect(s);
	if (s->avail > before)
		h->fallen += (size_t)(s->avail - before) * s->size;
	heap_settle_slab(h, s);
}

void heap_release_emptied(struct heap *h, struct slab *s)
{
	const uint32_t me = granule_of(s);
	const bool only = s->listed == LISTED_NOT ? h->partial[s->cls] == 0 : s->next == me;

	if (only || s->listed == LISTED_KEPT || s->listed == LISTED_PURGING)
		return heap_look_at(h, s);
	slab_collect(s);
	if (s->listed == LISTED_NOT)
		list_slab(h, s);
	release(h, s, TAG_REMOTE);
}

void heap_drain_inbox(struct heap *h)
{
	if (unlikely(__atomic_load_n(&root.marked, __ATOMIC_ACQUIRE) == MARKED_FORKED))
		remote_rebuild();
	uint32_t granule = atomic_exchange_explicit(&h->inbox, 0, memory_order_acquire);

	while (granule != 0) {
		struct slab *s = slab_at(granule);
		granule = s->inbox_next;
		heap_look_at(h, s);
	}
}

/* ---- stack to slabs --------------------------------------------------------------------------- */

/* n objects of one word of avail. */
void heap_put_back(struct heap *h, const void *at, uint64_t bits, unsigned n)
{
	struct slab *const s = slab_covering(((uintptr_t)at - root.base) >> GRANULE_SHIFT);

	if (unlikely((avail_bits(at) & bits) != 0))
		slab_freed_twice(s, at, avail_bits(at) & bits);
	avail_set(at, avail_bits(at) | bits);
	s->avail = (uint16_t)(s->avail + n);
	h->fallen += (size_t)n * s->size;
	heap_settle_slab(h, s);
}

/* The n oldest objects of a stack. */
static void flush(struct heap *h, struct stack *k, unsigned cls, size_t n)
{
	void **const bottom = stack_bottom(h, cls, k);
	const size_t have = (size_t)(k->top - bottom);

	for (size_t i = 0; i < n;) {
		void *const at = bottom[i];
		uint64_t bits = 0;
		const size_t first = i;
		for (; i < n && avail_word(bottom[i]) == avail_word(at); i++)
			bits |= bit_of(bottom[i]);
		heap_put_back(h, at, bits, (unsigned)(i - first));
	}
	memmove(bottom, bottom + n, (have - n) * sizeof *bottom);
	k->top = bottom + (have - n);
}

void heap_flush(struct heap *h, struct thread_cache *tc)
{
	for (unsigned cls = 0; cls < class_count; cls++) {
		struct stack *const k = &tc->stack[cls];
		flush(h, k, cls, (size_t)(k->top - stack_bottom(h, cls, k)));
	}
	if (unlikely(hardening.quarantine != 0) && tc != &late_cache)
		hardened_flush(h, tc);
}

void heap_lend(struct heap *h, struct thread_cache *tc)
{
	for (unsigned cls = 0; cls < class_count; cls++) {
		struct stack *const k = &tc->stack[cls];
		k->top = small_stack(h, cls);
		k->limit = k->top + min_size(size_class[cls].cached, STACK_SMALL_OBJECTS);
		h->room[cls] = h->flushes[cls] = 0;
	}
	memcpy(tc->place, small_place, sizeof tc->place);
	tc->tag = heap_number(h) << TAG_HEAP_SHIFT;
	tc->heap = h;
	h->owner = tc;
	h->thread = tc == &thread_cache ? (uintptr_t)__builtin_thread_pointer() : 0;
}

/* A full stack gives away its older half.  Who only frees comes here again and again without a refill
 * between, and may then never call again: so its stacks become smaller, since what lies in them keeps pages
 * resident. */
static void make_room(struct heap *h, struct stack *k, unsigned cls)
{
	enum { FLUSHES = 2, LEAST = 12 };
	void **const bottom = stack_bottom(h, cls, k);
	size_t room = (size_t)(k->limit - bottom);

	if (h->flushes[cls] < FLUSHES)
		h->flushes[cls]++;
	else
		room = min_size(room, max_size(room / 2, LEAST));
	k->limit = bottom + room;
	flush(h, k, cls, (size_t)(k->top - bottom) - room / 2);
}

void cache_push(struct thread_cache *tc, void *p, unsigned cls)
{
	struct heap *const h = tc->heap;
	struct stack *const k = &tc->stack[cls];
	bool sparse = false;

	if (k->top == k->limit) {
		lock_take(&h->lock);
		make_room(h, k, cls);
		sparse = purge_is_sparse(h);
		lock_give(&h->lock);
	}
	*k->top = p;
	atomic_signal_fence(memory_order_release); /* as in fast.h: a child of fork() finds no gap */
	k->top++;
	if (sparse)
		purge_sparse(h);
}

void cache_look_around(struct thread_cache *tc)
{
	struct heap *const h = tc->heap;

	if (++tc->flagged_frees % 16 != 0 || atomic_load(&h->inbox) == 0)
		return;
	lock_take(&h->lock);
	heap_drain_inbox(h);
	lock_give(&h->lock);
}

/* ---- slabs to stack --------------------------------------------------------------------------- */

static struct slab *find_partial(struct heap *h, unsigned cls)
{
	if (h->partial[cls] == 0)
		heap_drain_inbox(h);
	if (h->partial[cls] == 0 && !heap_inherit(h, cls))
		return NULL;
	return slab_at(h->partial[cls]);
}

static struct slab *find_new(struct heap *h, unsigned cls)
{
	struct slab *const s = slab_open(cls);

	if (s != NULL) {
		slab_tag(s, heap_number(h));
		list_slab(h, s);
	}
	return s;
}

/* Of a stack at its next refill.  What a hardened thread gets in random order is random among many. */
static size_t next_room(const struct heap *h, unsigned cls)
{
	const size_t most = size_class[cls].cached, room = h != NULL ? h->room[cls] : 0;

	if (unlikely(hardening.on))
		return most;
	return min_size(most, room == 0 ? STACK_SMALL_OBJECTS : 2 * room + 1);
}

/* So many bytes went from slabs to a stack.  What is more than what came from stacks since the pages of slabs were
 * given back, had better stayed, wherever it lies: a slab may have been closed since, and another opened. */
static void note_taken(struct heap *h, size_t bytes)
{
	const size_t again = bytes > h->fallen ? bytes - h->fallen : 0;

	h->fallen -= bytes - again;
	predict_level(&h->pages, h->fallen);
	if (unlikely(again != 0 && predict_waits(&h->pages)))
		predict_asked(&h->pages, again, purge_clock(), purge_again_ns());
}

/* A batch onto an empty stack, lowest address on top, where malloc takes first; false: no memory. */
static bool refill(struct heap *h, struct stack *k, unsigned cls)
{
	const size_t room = next_room(h, cls);
	void **const bottom = room > STACK_SMALL_OBJECTS ? large_stack(h, cls) : small_stack(h, cls);
	void **const end = bottom + (room + 1) / 2, **at = end;

	while (at > bottom) {
		struct slab *s = find_partial(h, cls);
		if (s == NULL && (at < end || (s = find_new(h, cls)) == NULL))
			break;
		if (s->listed == LISTED_KEPT)
			unkeep(s);
		void **const from = at;
		at = slab_take(s, at, bottom);
		note_taken(h, (size_t)(from - at) * s->size);
		if (s->avail == 0)
			heap_unlist_slab(h, s);
	}
	if (at == end)
		return false;
	if (at > bottom)
		memmove(bottom, at, (size_t)(end - at) * sizeof *at);
	k->top = bottom + (end - at);
	k->limit = bottom + room;
	h->room[cls] = (uint16_t)room;
	h->flushes[cls] = 0;
	return true;
}

bool cache_fill(struct thread_cache *tc, unsigned cls)
{
	struct heap *const h = tc->heap;
	struct stack *const k = &tc->stack[cls];

	lock_take(&h->lock);
	const bool ok = !stack_empty(k) || refill(h, k, cls);
	lock_give(&h->lock);
	return ok;
}

/* The fault is named before the stack has changed: who looks at it in a debugger finds it as it was. */
void *cache_pop(struct thread_cache *tc, unsigned cls)
{
	void *const p = tc->stack[cls].top[-1];

	if (unlikely((tag_around(p) & TAG_REMOTE) != 0) &&
	    (tag_heap(tag_around(p)) == 0 || (mark_bits(p) & bit_of(p)) != 0))
		slab_misuse("double free", p, class_usable(cls));
	tc->stack[cls].top--;
	return p;
}

static void *pop_refilled(struct thread_cache *tc, unsigned cls)
{
	if (!cache_fill(tc, cls)) {
		errno = ENOMEM;
		return NULL;
	}
	void *const p = cache_pop(tc, cls);
	live_set(p);
	return p;
}

/* ---- what is asked of us without a heap of the thread ----------------------------------------- */

struct lock late_lock;
struct thread_cache late_cache = {THREAD_CACHE_NONE};

static void lend_late(void)
{
	if (late_cache.heap == NULL)
		heap_lend(heap_at(HEAP_LATE), &late_cache);
}

void *cache_pop_late(unsigned cls)
{
	lend_late();
	return cache_fill(&late_cache, cls) ? cache_pop(&late_cache, cls) : NULL;
}

static void *late_malloc(unsigned cls)
{
	if (!slab_start_up()) {
		errno = ENOMEM;
		return NULL;
	}
	lock_take(&late_lock);
	lend_late();
	void *const p = pop_refilled(&late_cache, cls);
	lock_give(&late_lock);
	return p;
}

unsigned cache_batch(unsigned cls)
{
	const struct heap *const h = thread_cache.ended ? late_cache.heap : thread_cache.heap;

	return ((unsigned)next_room(h, cls) + 1) / 2;
}

void *cache_refill(unsigned cls)
{
	struct heap *const h = heap_mine();
	return likely(h != NULL) ? pop_refilled(&thread_cache, cls) : late_malloc(cls);
}
