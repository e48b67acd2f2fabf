/* guarded.c - see guarded.h. */
#include "slab/guarded.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"
#include "os/callers.h"
#include "os/os.h"
#include "os/segv.h"
#include "os/ticks.h"
#include "slab/init.h"
#include "slab/place.h"
#include "slab/thread_cache.h"

enum { ROOM = GUARDED_ROOM, SLOT = GUARDED_SLOT, TAIL = ROOM /* the guard behind the last */ };

static struct {
	struct lock lock;
	char    *slots;       /* SLOT bytes each */
	_Atomic size_t bytes; /* of them; 0: not open */
	struct guarded *notes;
	void    *map;
	size_t   map_len;
	uint32_t count, never; /* slots; those from `never` on were never used */
	uint32_t live, oldest, newest; /* freed ones: slot + 1 */
	bool     advice; /* guards are page-table entries */
	bool     watched; /* the handler is installed, or must not be */
	_Atomic bool stopped;
	uint8_t  pattern;
} pool;

/* The place that guarded_place() reports for an object: no slab, and no class. */
static struct slab no_slab = {.cls = CLASS_GUARDED};

/* ---- which object ---------------------------------------------------------------------------- */

__thread int64_t guarded_left;
static __thread struct rng rng;

enum { GRANULES_A_PAGE = 32 };

/* The most objects that may live at once: one for each half MiB of the heap, so that a small
 * program stays small; all slots, if every object is to be guarded. */
static size_t allowed(void)
{
	const size_t share = 1 + used_granules() / GRANULES_A_PAGE;
	return guarding.every == 1 ? pool.count : min_size(pool.count, share);
}

/* A distance drawn uniformly with a mean of `every`. The fewer slots are left, the longer it is, so
 * that long-lived objects do not take all slots in the first second. */
static int64_t distance(void)
{
	const size_t most = allowed(), room = most - min_size(most, pool.live);
	unsigned scarce = 0;

	if (guarding.every != 1 && pool.count != 0)
		scarce = (room * 2 <= most) + (room * 4 <= most) + (room * 8 <= most);
	return (int64_t)(1 + rng_below(&rng, 2 * (uint64_t)guarding.every - 1)) << scarce;
}

/* At the first call in a thread, draw the first distance. */
static bool drawn(void)
{
	if (rng.state == 0) {
		const int64_t asked = -guarded_left;
		rng.state = settings_seed(0);
		guarded_left = distance() - asked;
		if (guarded_left > 0)
			return false;
	}
	guarded_left = distance();
	return true;
}

/* ---- pages ----------------------------------------------------------------------------------- */

static int open_pages(char *p, size_t len)
{
	const struct dmm_os *const os = root.os;
	return pool.advice ? os->advise(os->ctx, p, len, DMM_ADVICE_UNGUARD)
	                   : os->protect(os->ctx, p, len, DMM_PROTECT_RW);
}

/* If the kernel refuses, later accesses here do not fault; nothing worse happens. */
static void close_pages(char *p, size_t len)
{
	const struct dmm_os *const os = root.os;

	if (pool.advice && os->advise(os->ctx, p, len, DMM_ADVICE_GUARD) == 0)
		return;
	if (!pool.advice)
		os->protect(os->ctx, p, len, DMM_PROTECT_NONE);
	os->purge(os->ctx, p, len);
}

/* The first and the last page of an object of n bytes at p, as an address and a length. */
static char *pages_of(const char *p, size_t n, size_t *len)
{
	const uintptr_t start = round_down((uintptr_t)p, root.os->page);
	*len = round_up((uintptr_t)p + n, root.os->page) - start;
	return (char *)start;
}

static bool map_pool(size_t notes, size_t bytes)
{
	const struct dmm_os *const os = root.os;

	pool.map_len = notes + bytes + TAIL;
	pool.map = os->map(os->ctx, pool.map_len, SLOT);
	pool.advice = pool.map != NULL &&
	    os->advise(os->ctx, (char *)pool.map + notes, bytes + TAIL, DMM_ADVICE_GUARD) == 0;
	if (pool.advice)
		return true;
	if (pool.map != NULL)
		os->unmap(os->ctx, pool.map, pool.map_len);
	pool.map = os->reserve(os->ctx, pool.map_len, SLOT);
	if (pool.map == NULL)
		return false;
	if (os->protect(os->ctx, pool.map, notes, DMM_PROTECT_RW) == 0)
		return true;
	os->unmap(os->ctx, pool.map, pool.map_len);
	return false;
}

/* The lock is held. */
static bool open_pool(void)
{
	const struct dmm_os *const os = root.os;
	const uint32_t count = (uint32_t)guarding.slots;
	const size_t notes = round_up(count * sizeof(struct guarded), SLOT),
	    bytes = (size_t)count * SLOT;

	CHECK(lock_held(&pool.lock));
	if (pool.bytes != 0)
		return true;
	if (!map_pool(notes, bytes))
		return false;
	pool.count = count;
	pool.never = pool.live = pool.oldest = pool.newest = 0;
	pool.notes = pool.map;
	pool.slots = (char *)pool.map + notes;
	pool.pattern = (uint8_t)(0x80 | rng_next(&rng)); /* neither a NUL nor a letter */
	root.guarded_notes = pool.notes;
	root.guarded_slots = pool.slots;
	root.guarded_count = count;
	root.guarded_bytes = sizeof(struct guarded);
	atomic_store_explicit(&pool.bytes, bytes, memory_order_release);
	pool.watched = !guarding.report || !os_is_real(os);
	return true;
}

void guarded_close(void)
{
	if (pool.bytes != 0)
		root.os->unmap(root.os->ctx, pool.map, pool.map_len);
	memset(&pool, 0, sizeof pool);
	guarded_left = 0;
	rng.state = 0;
}

/* ---- slots ----------------------------------------------------------------------------------- */

bool guarded_owns(const void *p)
{
	const size_t bytes = atomic_load_explicit(&pool.bytes, memory_order_acquire);
	return (uintptr_t)p - (uintptr_t)pool.slots < bytes;
}

static struct guarded *slot_of(const void *p)
{
	return &pool.notes[((uintptr_t)p - (uintptr_t)pool.slots) / SLOT];
}

static char *room_of(const struct guarded *s)
{
	return pool.slots + (size_t)(s - pool.notes) * SLOT + (SLOT - ROOM);
}

/* A slot that was never used, else the one that was freed first; the lock is held. */
static struct guarded *next_slot(void)
{
	CHECK(lock_held(&pool.lock) && pool.never <= pool.count && pool.live <= pool.never);
	if (pool.never < pool.count)
		return &pool.notes[pool.never];
	return pool.oldest != 0 ? &pool.notes[pool.oldest - 1] : NULL;
}

static void leave_list(struct guarded *s)
{
	CHECK(lock_held(&pool.lock));
	if (s->state == GUARDED_NEVER) {
		pool.never++;
		return;
	}
	pool.oldest = s->next;
	if (pool.oldest == 0)
		pool.newest = 0;
}

static void enter_list(struct guarded *s)
{
	const uint32_t me = (uint32_t)(s - pool.notes) + 1;

	CHECK(lock_held(&pool.lock) && s->state == GUARDED_FREED && me <= pool.count);
	s->next = 0;
	if (pool.newest != 0)
		pool.notes[pool.newest - 1].next = me;
	else
		pool.oldest = me;
	pool.newest = me;
}

static __attribute__((noinline)) void note(struct guarded_stack *stack, const void *caller)
{
	stack->thread = thread_number();
	stack->count = (uint32_t)callers_here(caller, stack->at, GUARDED_FRAMES);
}

static void *take(size_t n, const struct guarded_stack *now, bool at_end)
{
	size_t len;

	CHECK(lock_held(&pool.lock) && n > 0 && n <= ROOM);
	if (!open_pool() || pool.stopped)
		return NULL;
	/* Not when the heap opens: a runtime that installs a handler at its start must find none to
	 * chain to. */
	if (!pool.watched)
		pool.watched = segv_watch(guarded_tell_access);
	struct guarded *const s = next_slot();
	if (s == NULL || pool.live >= allowed())
		return NULL;
	char *const room = room_of(s),
	    *const p = at_end ? room + ROOM - round_up(n, MAX_ALIGN) : room;
	char *const pages = pages_of(p, n, &len);
	if (open_pages(pages, len) != 0)
		return NULL;
	leave_list(s);
	memset(pages, pool.pattern, ptr_diff(p, pages));
	memset(p + n, pool.pattern, ptr_diff(pages + len, p + n));
	s->p = p;
	s->n = (uint32_t)n;
	s->allocated = *now;
	s->freed.count = 0;
	s->state = GUARDED_LIVE;
	pool.live++;
	return p;
}

void *guarded_malloc(size_t n, const void *caller)
{
	struct guarded_stack now;

	if (!slab_start_up() || !drawn()) /* somebody may be about to start */
		return NULL;
	note(&now, caller);
	const bool at_end = rng_next(&rng) >> 63;
	lock_take(&pool.lock);
	void *const p = take(n, &now, at_end);
	lock_give(&pool.lock);
	return p;
}

/* Do all bytes hold the pattern? Compared by words, since it may be a page. */
static bool whole(const char *from, const char *end)
{
	const uint64_t words = pool.pattern * 0x0101010101010101u;
	uint64_t word, wrong = 0;

	for (; ptr_diff(end, from) >= sizeof word; from += sizeof word) {
		memcpy(&word, from, sizeof word);
		wrong |= word ^ words;
	}
	for (; from < end; from++)
		wrong |= (uint8_t)*from ^ pool.pattern;
	return wrong == 0;
}

/* The byte nearest to the object that is not the pattern, or NULL. */
static const void *changed(const struct guarded *s)
{
	size_t len;
	const char *const pages = pages_of(s->p, s->n, &len), *const end = s->p + s->n;

	if (whole(pages, s->p) && whole(end, pages + len))
		return NULL;
	for (const char *at = end; at < pages + len; at++)
		if ((uint8_t)*at != pool.pattern)
			return at;
	for (const char *at = s->p; at-- > pages;)
		if ((uint8_t)*at != pool.pattern)
			return at;
	return NULL;
}

void guarded_free(void *p)
{
	struct guarded_stack now;
	size_t len;

	note(&now, __builtin_return_address(0));
	lock_take(&pool.lock);
	struct guarded *const s = slot_of(p);
	const bool good = s->state == GUARDED_LIVE && s->p == p;
	const void *const wrong = good ? changed(s) : NULL;
	if (!good || wrong != NULL) {
		lock_give(&pool.lock);
		guarded_misuse("free", p, &now, wrong);
	}
	char *const pages = pages_of(p, s->n, &len);
	s->freed = now;
	s->state = GUARDED_FREED;
	close_pages(pages, len);
	enter_list(s);
	pool.live--;
	lock_give(&pool.lock);
}

struct place guarded_place(const char *call, const void *p)
{
	struct guarded_stack now;

	if (!guarded_owns(p))
		slab_bad_pointer(call, p);
	lock_take(&pool.lock);
	const struct guarded *const s = slot_of(p);
	const bool live = s->state == GUARDED_LIVE && s->p == p;
	const void *const wrong = live ? changed(s) : NULL;
	const size_t n = s->n;
	lock_give(&pool.lock);
	if (live && wrong == NULL)
		return (struct place){.slab = &no_slab, .size = n};
	note(&now, __builtin_return_address(0));
	guarded_misuse(call, p, &now, wrong);
}

/* ---- looks from outside ---------------------------------------------------------------------- */

void guarded_stop(void)
{
	atomic_store(&pool.stopped, true);
}

const struct guarded *guarded_meant(const void *at)
{
	return pool.bytes != 0
	           ? guarded_nearest(pool.notes, pool.count, (uintptr_t)pool.slots, (uintptr_t)at)
	           : NULL;
}

void guarded_before_fork(void)
{
	lock_fork_take(&pool.lock);
}

void guarded_after_fork_parent(void)
{
	lock_fork_give(&pool.lock);
}

/* Children of one parent must not all draw the same. */
void guarded_after_fork_child(void)
{
	lock_fork_child(&pool.lock);
	if (rng.state != 0) {
		rng.state = settings_seed(os_ticks());
		guarded_left = distance();
	}
}

uintptr_t guarded_address(void)
{
	return pool.bytes != 0 ? (uintptr_t)pool.map : 0;
}

static int tell(dmm_visit *visit, void *arg, const char *from, const char *to, enum dmm_kind kind,
    const char *what)
{
	const struct dmm_piece piece = {(uintptr_t)from, ptr_diff(to, from), kind, what, -1};
	return piece.len != 0 ? visit(arg, &piece) : 0;
}

static int walk_slot(const struct guarded *s, dmm_visit *visit, void *arg)
{
	const char *const room = room_of(s), *const end = room + ROOM;
	int r = tell(visit, arg, room - (SLOT - ROOM), room, DMM_META, "guard");

	if (s->state != GUARDED_LIVE)
		return r != 0 ? r : tell(visit, arg, room, end, DMM_FREE, "guarded");
	if (r == 0)
		r = tell(visit, arg, room, s->p, DMM_PAD, "guard");
	if (r == 0)
		r = tell(visit, arg, s->p, s->p + s->n, DMM_LIVE, "guarded");
	return r != 0 ? r : tell(visit, arg, s->p + s->n, end, DMM_PAD, "guard");
}

int guarded_walk(dmm_visit *visit, void *arg)
{
	int r = 0;

	if (pool.bytes == 0)
		return 0;
	r = tell(visit, arg, pool.map, pool.slots, DMM_META, "guarded notes");
	for (uint32_t i = 0; r == 0 && i < pool.count; i++)
		r = walk_slot(&pool.notes[i], visit, arg);
	const char *const end = pool.slots + pool.bytes;
	return r != 0 ? r : tell(visit, arg, end, end + TAIL, DMM_META, "guard");
}

bool guarded_check(struct dmm_fault *why)
{
	uint32_t live = 0, freed = 0;

	for (uint32_t i = 0; i < pool.count; i++) {
		const struct guarded *const s = &pool.notes[i];
		const char *const room = room_of(s);
		live += s->state == GUARDED_LIVE;
		if (s->state == GUARDED_LIVE && s->p != room &&
		    s->p != room + ROOM - round_up(s->n, MAX_ALIGN)) {
			*why = (struct dmm_fault){
			    "G2 housed", (uintptr_t)s->p, (uintptr_t)s->p, (uintptr_t)room};
			return false;
		}
	}
	for (uint32_t at = pool.oldest; at != 0 && freed <= pool.count;
	     at = pool.notes[at - 1].next)
		freed += pool.notes[at - 1].state == GUARDED_FREED;
	if (live == pool.live && live + freed == pool.never)
		return true;
	*why = (struct dmm_fault){"G1 counted", (uintptr_t)pool.notes, live + freed, pool.never};
	return false;
}
