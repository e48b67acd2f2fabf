/* remote.c - see remote.h for the protocol. */
#include "slab/remote.h"

#include "base/assert.h"
#include "slab/heap.h"
#include "slab/misuse.h"
#include "slab/purge.h"
#include "slab/settings.h"
#include "slab/thread_cache.h"

struct lock inbox_lock;

static void push(struct slab_heap *h, struct slab *s)
{
	uint32_t head = atomic_load_explicit(&h->inbox, memory_order_relaxed);
	do {
		s->inbox_next = head;
	} while (!atomic_compare_exchange_weak_explicit(
	    &h->inbox, &head, granule_of(s), memory_order_release, memory_order_relaxed));
}

void remote_settle_for(struct slab_heap *h)
{
	/* Repeat: another thread may have pushed after our look, and found the lock taken. */
	while (atomic_load(&h->inbox) != 0 && heap_owner(h) == NULL && lock_try(&h->lock)) {
		if (h->owner == NULL)
			heap_drain_inbox(h);
		lock_give(&h->lock);
	}
}

/* A flag is up at the granule. A slab's further granules may be flagged only if its first one
 * is. */
static void push_again(uint32_t granule)
{
	struct slab *const s = slab_covering(granule);
	const uint32_t first = granule_of(s);

	CHECK(lock_held(&inbox_lock));
	if (kind_of(s) != GRANULE_SLAB) {
		atomic_fetch_and(&root.tags[granule], ~TAG_REMOTE);
		return;
	}
	if (granule == first || (atomic_fetch_or(&root.tags[first], TAG_REMOTE) & TAG_REMOTE) == 0)
		push(heap_of(s), s);
}

/* From now on remote_hit() frees what it can; nothing in a hardened process.  A signal handler that
 * interrupts this may fork: then the child's inboxes wait for remote_rebuild(), and no free of the
 * child may pass that by. */
static void allow_hits(void)
{
	unsigned cls = CLASS_ZERO;

	if (hardening.on)
		return;
	while (cls + 1 < class_count && size_class[cls + 1].granules == 1)
		cls++;
	__atomic_store_n(&root.single_most, cls * TAG_MAGAZINE, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&root.marked, __ATOMIC_SEQ_CST) != MARKED)
		__atomic_store_n(&root.single_most, 0, __ATOMIC_SEQ_CST);
}

void remote_rebuild(void)
{
	lock_take(&inbox_lock);
	if (__atomic_load_n(&root.marked, __ATOMIC_ACQUIRE) == MARKED_FORKED) {
		for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
			remote_forget_waiting(heap_at(i));
		for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++)
			if ((tag_at(g) & TAG_REMOTE) != 0)
				push_again(g);
		__atomic_store_n(&root.marked, MARKED, __ATOMIC_SEQ_CST);
		allow_hits();
	}
	lock_give(&inbox_lock);
}

/* In a child of fork(), before a look at what waits.  Not during a walk: if the fork came from a
 * signal handler that interrupted one, the walk goes on in the child, with links that a rebuild
 * would change. */
static void rebuild_first(void)
{
	if (unlikely(__atomic_load_n(&root.marked, __ATOMIC_ACQUIRE) == MARKED_FORKED))
		remote_rebuild();
}

/* What *link names; at the end of what waits, that is all of the inbox. 0: nothing. */
static uint32_t next_at(struct slab_heap *h, uint32_t *link)
{
	if (*link == 0)
		__atomic_store_n(link,
		    atomic_exchange_explicit(&h->inbox, 0, memory_order_acquire),
		    __ATOMIC_RELAXED);
	return *link;
}

struct slab *remote_next_waiting(struct slab_heap *h)
{
	CHECK(heap_held(h));
	rebuild_first();
	const uint32_t granule = next_at(h, &h->waiting);
	if (granule == 0)
		return NULL;
	struct slab *const s = slab_at(granule);
	__atomic_store_n(&h->waiting, s->inbox_next, __ATOMIC_RELAXED);
	return s;
}

void remote_release_emptied(struct slab_heap *h)
{
	CHECK(heap_held(h));
	if (h->owner == NULL)
		return heap_drain_inbox(h);
	if (hardening.quarantine != 0)
		return; /* objects freed by other threads go into the owner's quarantine */
	rebuild_first();
	uint32_t *link = &h->waiting;
	for (uint32_t granule; (granule = next_at(h, link)) != 0;) {
		struct slab *const s = slab_at(granule);
		/* The owner may be changing live bits at this moment, unless it has no object of
		 * the slab left. */
		if (slab_all_free(s)) {
			__atomic_store_n(link, s->inbox_next, __ATOMIC_RELAXED);
			heap_release_emptied(h, s);
		} else {
			link = &s->inbox_next;
		}
	}
}

/* An owner that sleeps, or waits for us, never collects the objects that we freed: so look through
 * its inbox for slabs without a live object after each 64 pushes after which it did not look. */
static void release_for(struct slab_heap *h)
{
	enum { PUSHES = 64 };
	const uint32_t pushes = atomic_fetch_add_explicit(&h->pushes, 1, memory_order_relaxed);

	if ((pushes - __atomic_load_n(&h->looked, __ATOMIC_RELAXED)) % PUSHES != PUSHES - 1 ||
	    !lock_try(&h->lock))
		return;
	remote_release_emptied(h);
	lock_give(&h->lock);
	remote_settle_for(h);
}

static inline bool flagged(size_t granule)
{
	return (atomic_load(&root.tags[granule]) & TAG_REMOTE) != 0;
}

/* Raise the flag; true: it was down, and the granule belongs to a slab, of *heap. */
static bool flag(size_t granule, unsigned *heap)
{
	if (flagged(granule))
		return false;
	const uint32_t old = atomic_fetch_or(&root.tags[granule], TAG_REMOTE);
	*heap = tag_heap(old);
	return (old & TAG_REMOTE) == 0 && *heap != 0;
}

/* Flag the slab that covers the granule, if it is of the heap whose lock is held, and the granule;
 * push the slab unless it is in the inbox. */
static void flag_and_push(struct slab_heap *h, size_t granule)
{
	struct slab *const s = slab_covering(granule);
	unsigned heap;

	if (kind_of(s) != GRANULE_SLAB || heap_of(s) != h)
		return;
	const bool first = flag(granule_of(s), &heap);
	flag(granule, &heap);
	if (first)
		push(h, s);
}

static inline bool both_flagged(size_t head, size_t granule)
{
	return flagged(head) && (granule == head || flagged(granule));
}

/* This is the first free into the slab since its owner looked: notify the owner. granule: that of
 * p.  It may also be that the owner took both flags down before p was marked, and that another
 * thread's free has raised the first one since: then the flag of p's granule rises, and the owner
 * finds both.
 *
 * If the owner has collected the mark meanwhile, p's slab may be gone, and a further granule of
 * another slab may lie at `head`: only the lock of its heap tells what is there, and holds it.  A
 * signal handler may have interrupted this thread while it holds the lock. */
static __attribute__((noinline)) void notify_owner(size_t head, size_t granule)
{
	for (unsigned heap;
	     !both_flagged(head, granule) && (heap = tag_heap(tag_at(head))) != 0;) {
		struct slab_heap *const h = heap_at(heap);
		const bool mine = lock_held(&h->lock);

		if (!mine)
			lock_take(&h->lock);
		const bool same = tag_heap(tag_at(head)) == heap;
		if (same)
			flag_and_push(h, granule);
		if (!mine)
			lock_give(&h->lock);
		remote_settle_for(h);
		if (same)
			return release_for(h);
	}
}

static inline bool marked(const void *p)
{
	return (atomic_load(mark_word(p)) & bit_of(p)) != 0;
}

static bool marked_but_not_live(const void *p)
{
	return marked(p) && (atomic_load(live_word_at(p)) & bit_of(p)) == 0;
}

/* Is there no slab at the granule, now and while page_lock is held? The caller holds it. */
static bool closed_for_now(size_t granule)
{
	const struct slab_chunk *const c = chunk_at((uint32_t)(granule / CHUNK_GRANULES));
	const bool free = c->free[granule % CHUNK_GRANULES / 64] >> granule % 64 & 1;

	return tag_heap(tag_at(granule)) == 0 && (free || kind_of(slab_at(granule)) == GRANULE_RUN);
}

/* A thread that opens or closes a slab holds a heap's lock, and the purger holds purge_lock while
 * it has claimed granules: when this returns, the threads that did so have finished. A loop of
 * looks alone would never end if this thread had the only processor and a higher priority. */
static void wait_for_others(void)
{
	lock_take(&purge_lock);
	lock_give(&purge_lock);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++) {
		lock_take(&heap_at(i)->lock);
		lock_give(&heap_at(i)->lock);
		remote_settle_for(heap_at(i));
	}
}

/* p was not live, and then it was marked: freed twice, unless in between it was given out and freed
 * again.  What stands while nobody can collect marks, nor open a slab there, is true.  A granule
 * inside a run, or a guard, does not say so of itself: there, what was found at LOOKS moments,
 * between which all others finished what they had begun, is true. */
static __attribute__((noinline)) void judge(const void *p, size_t granule, size_t size)
{
	enum { LOOKS = 64 };
	bool sure = false;

	for (int look = 1; !sure; look += look < LOOKS) {
		const unsigned heap = tag_heap(tag_at(granule));
		struct lock *const lock = heap != 0 ? &heap_at(heap)->lock : &root.page_lock;

		lock_take(lock);
		const bool same = tag_heap(tag_at(granule)) == heap;
		sure = same && (heap != 0 || look == LOOKS || closed_for_now(granule));
		const bool twice = sure && marked_but_not_live(p);
		lock_give(lock);
		if (heap != 0)
			remote_settle_for(heap_at(heap));
		if (twice)
			slab_misuse("double free", p, size);
		sure = sure || !marked_but_not_live(p);
		if (!sure)
			wait_for_others();
	}
}

/* The first mark of all, or the first in a child of fork(). */
static __attribute__((noinline)) void first_mark(void)
{
	uint8_t not = MARKED_NOT;

	__atomic_store_n(&root.alone_below, 0, __ATOMIC_SEQ_CST);
	if (__atomic_compare_exchange_n(&root.marked, &not, MARKED, false, __ATOMIC_SEQ_CST,
	        __ATOMIC_SEQ_CST))
		allow_hits();
	else
		remote_rebuild();
}

void remote_marked_twice(const void *p, uint32_t tag)
{
	slab_misuse("double free", p, class_usable(tag_class(tag)));
}

void remote_judge(const void *p, uint32_t tag)
{
	if (marked(p))
		judge(p, ((uintptr_t)p - root.base) >> GRANULE_SHIFT, class_usable(tag_class(tag)));
}

/* The first free into the slab, whose first granule is `head`, or into p's granule, since its owner
 * looked. */
static void notify(const void *p, size_t head, uint32_t tag)
{
	notify_owner(head, ((uintptr_t)p - root.base) >> GRANULE_SHIFT);
	if (unlikely(!remote_is_live(p)))
		remote_judge(p, tag);
}

void remote_notify(const void *p, uint32_t tag)
{
	notify(p, ((uintptr_t)p - root.base) >> GRANULE_SHIFT, tag);
}

bool remote_free(const void *p, uint32_t tag)
{
	const size_t granule = ((uintptr_t)p - root.base) >> GRANULE_SHIFT;
	size_t head = granule;
	unsigned rest;

	if (unlikely(__atomic_load_n(&root.marked, __ATOMIC_ACQUIRE) != MARKED))
		first_mark();
	if (size_class[tag_class(tag)].granules > 1) {
		/* Found before the bit is set: afterwards the slab may be another heap's. */
		head = granule_of(slab_covering(granule));
		if (granule != head)
			flag(granule, &rest);
	}
	if (unlikely(remote_mark(p)))
		remote_marked_twice(p, tag);
	if (!both_flagged(head, granule)) {
		notify(p, head, tag);
		return true;
	}
	if (unlikely(!remote_is_live(p)))
		remote_judge(p, tag);
	return false;
}
