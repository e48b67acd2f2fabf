/* profile.c - see profile.h. */
#include "slab/profile.h"

#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/probe.h"
#include "os/callers.h"
#include "slab/heap.h"
#include "slab/remote.h"
#include "slab/window.h"

/* A sample whose object is live. */
struct profile_sample {
	struct profile_sample *next; /* of the same chain, or of the free entries */
	const void *p;
	struct profile_site *site;
	struct profile_sum stands_for;
	uintptr_t thread; /* that allocated it, */
	struct profile_moment then; /* at this moment */
};

struct chains {
	size_t mask;
	struct profile_sample *_Atomic head[];
};

enum { CHAINS_LEAST = 1024, SITE_CHAINS = 1024, SAMPLES_AT_ONCE = 64 };

static struct lock lock;
static struct profile_head head;
static struct chains *_Atomic chains;
static struct profile_site **site_chains;
static struct profile_sample *unused;

/* ---- what a sample stands for ---------------------------------------------------------------- */

/* 1 - exp(-x), x >= 0: by the series of a small x, doubled again and again. */
static double one_minus_exp(double x)
{
	int doublings = 0;
	double sum = 1;

	if (x > 40)
		return 1;
	for (; x > 0.5; x /= 2)
		doublings++;
	for (int i = 13; i > 1; i--)
		sum = 1 - sum * x / i;
	for (sum *= x; doublings > 0; doublings--)
		sum *= 2 - sum;
	return sum;
}

/* A sample of n bytes, which was drawn as one of `size` bytes. */
static struct profile_sum what_it_stands_for(size_t n, size_t size)
{
	const double objects =
	    1 / one_minus_exp((double)max_size(size, 1) / (double)head.mean);

	return (struct profile_sum){(uint64_t)(objects * PROFILE_FRACTION + 0.5),
	    (uint64_t)(objects * (double)n + 0.5)};
}

/* ---- sites ----------------------------------------------------------------------------------- */

static void add(struct profile_sum *to, struct profile_sum x)
{
	to->objects += x.objects;
	to->bytes += x.bytes;
}

static void subtract(struct profile_sum *from, struct profile_sum x)
{
	CHECK(from->objects >= x.objects && from->bytes >= x.bytes);
	from->objects -= x.objects;
	from->bytes -= x.bytes;
}

/* Its live objects are about to change: store their sums at the last peak. */
static void keep_peak(struct profile_site *s)
{
	s->peak = profile_peak(&head, s);
	s->epoch = head.epoch;
}

static void begin_change(void)
{
	lock_take(&lock);
	atomic_fetch_add_explicit(&head.changes, 1, memory_order_acq_rel);
}

static void end_change(void)
{
	atomic_fetch_add_explicit(&head.changes, 1, memory_order_release);
	lock_give(&lock);
}

static uint64_t hash_stack(const void *const *at, size_t depth)
{
	uint64_t h = depth;

	for (size_t i = 0; i < depth; i++)
		h = (h ^ (uintptr_t)at[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
	return h;
}

static void *site_room(size_t len)
{
	struct profile_segment *s = head.segments;

	if (s == NULL || s->used + len > PROFILE_SEGMENT) {
		s = window_pool(PROFILE_SEGMENT);
		if (s == NULL)
			return NULL;
		s->next = head.segments;
		s->used = sizeof *s;
		head.segments = s;
	}
	void *const room = (char *)s + s->used;
	s->used += len;
	return room;
}

/* NULL: no memory. */
static struct profile_site *site_of(const void *const *at, size_t depth)
{
	const uint64_t hash = hash_stack(at, depth);
	struct profile_site **const chain = &site_chains[hash % SITE_CHAINS];
	const size_t bytes = depth * sizeof *at;

	CHECK(lock_held(&lock) && depth <= PROFILE_FRAMES);
	for (struct profile_site *s = *chain; s != NULL; s = s->next)
		if (s->hash == hash && s->depth == depth && memcmp(s->at, at, bytes) == 0)
			return s;
	struct profile_site *const s = site_room(sizeof *s + bytes);
	if (s == NULL)
		return NULL;
	*s = (struct profile_site){.next = *chain, .hash = hash, .depth = depth};
	memcpy(s->at, at, bytes);
	*chain = s;
	return s;
}

/* ---- probes: the contract of OpenTelemetry's eBPF profiler (its pull request 1672) ----------- */

PROBE_SEMAPHORE(otel_memory_alloc_semaphore);
PROBE_SEMAPHORE(otel_memory_free_semaphore);

/* stands_for: bytes, an unbiased estimate. */
static void tell_alloc(const void *p, size_t n, uint64_t stands_for)
{
	if (unlikely(otel_memory_alloc_semaphore != 0))
		PROBE_NOTE("otel_memory", "alloc", "otel_memory_alloc_semaphore",
		    "8@%0 8@%1 8@%2", PROBE_VALUE(p), PROBE_VALUE(n), PROBE_VALUE(stands_for));
}

static void tell_free(const void *p)
{
	if (unlikely(otel_memory_free_semaphore != 0))
		PROBE_NOTE("otel_memory", "free", "otel_memory_free_semaphore", "8@%0",
		    PROBE_VALUE(p));
}

/* ---- samples --------------------------------------------------------------------------------- */

static size_t chain_of(const struct chains *c, const void *p)
{
	return ((uintptr_t)p >> UNIT_SHIFT) * 0x9e3779b97f4a7c15u >> 32 & c->mask;
}

static struct chains *chains_new(size_t count)
{
	struct chains *const c = window_pool(sizeof *c + count * sizeof c->head[0]);

	if (c != NULL)
		c->mask = count - 1;
	return c;
}

/* The lock is held. */
static void link_sample(struct chains *c, struct profile_sample *s)
{
	struct profile_sample *_Atomic *const at = &c->head[chain_of(c, s->p)];

	s->next = atomic_load_explicit(at, memory_order_relaxed);
	atomic_store_explicit(at, s, memory_order_release);
}

/* Chains of four on average at most.  The old table stays where it is, since others may look at it:
 * what an object's owner finds there is from after the object was noted, or it finds the new one.
 */
static void grow_chains(void)
{
	struct chains *const old = chains;

	CHECK(lock_held(&lock));
	if (head.live_samples < 4 * (old->mask + 1))
		return;
	struct chains *const c = chains_new(4 * (old->mask + 1));
	if (c == NULL)
		return;
	for (size_t i = 0; i <= old->mask; i++)
		for (struct profile_sample *s = old->head[i], *next; s != NULL; s = next) {
			next = s->next;
			link_sample(c, s);
		}
	atomic_store_explicit(&chains, c, memory_order_release);
}

static struct profile_sample *sample_new(void)
{
	CHECK(lock_held(&lock));
	if (unused == NULL) {
		struct profile_sample *const some = window_pool(SAMPLES_AT_ONCE * sizeof *some);
		for (size_t i = 0; some != NULL && i < SAMPLES_AT_ONCE; i++) {
			some[i].next = unused;
			unused = &some[i];
		}
	}
	struct profile_sample *const s = unused;
	if (s != NULL)
		unused = s->next;
	return s;
}

static void enter(struct profile_sample *s)
{
	struct profile_site *const site = s->site;

	keep_peak(site);
	add(&site->allocated, s->stands_for);
	add(&site->live, s->stands_for);
	head.samples++;
	head.live_samples++;
	head.live_bytes += s->stands_for.bytes;
	if (head.live_bytes > head.peak_bytes) {
		head.peak_bytes = head.live_bytes;
		head.epoch++;
	}
	grow_chains();
	link_sample(chains, s);
}

/* If slab is linked into the program, its own frames come first: they end at `caller`. */
static size_t leave_own(const void **at, size_t depth, const void *caller)
{
	enum { OWN_MOST = 10 };
	size_t own = 0;

	while (own < depth && own < OWN_MOST && at[own] != caller)
		own++;
	if (own == 0 || own == depth || at[own] != caller)
		return depth;
	memmove(at, at + own, (depth - own) * sizeof *at);
	return depth - own;
}

/* size: as which the sample was drawn. */
static __attribute__((noinline)) void note(const void *p, size_t n, size_t size,
    const void *caller)
{
	const void *at[PROFILE_FRAMES];
	const size_t depth = leave_own(at, callers_here(caller, at, PROFILE_FRAMES), caller);
	const struct profile_sum stands_for = what_it_stands_for(n, size);

	begin_change();
	struct profile_site *const site = site_of(at, depth);
	struct profile_sample *const s = site != NULL ? sample_new() : NULL;
	if (s != NULL) {
		*s = (struct profile_sample){.p = p,
		    .site = site,
		    .stands_for = stands_for,
		    .thread = lock_self(),
		    .then = profile_moment()};
		enter(s);
	} else {
		head.lost++;
	}
	end_change();
	if (s != NULL)
		tell_alloc(p, n, stands_for.bytes);
}

void profiler_note(const void *p, size_t n, const void *caller)
{
	note(p, n, n, caller);
}

/* The common case, that p is no sample, takes no lock. */
struct profile_sample *profiler_lift(const void *p)
{
	struct chains *c = atomic_load_explicit(&chains, memory_order_acquire);
	struct profile_sample *s;

	if (c == NULL ||
	    atomic_load_explicit(&c->head[chain_of(c, p)], memory_order_acquire) == NULL)
		return NULL;
	lock_take(&lock);
	c = chains;
	struct profile_sample *_Atomic *const first = &c->head[chain_of(c, p)];
	struct profile_sample *before = NULL;
	for (s = *first; s != NULL && s->p != p; s = s->next)
		before = s;
	if (s != NULL && before != NULL)
		before->next = s->next;
	else if (s != NULL)
		atomic_store_explicit(first, s->next, memory_order_relaxed);
	lock_give(&lock);
	return s;
}

void profiler_lay(struct profile_sample *s)
{
	lock_take(&lock);
	link_sample(chains, s);
	lock_give(&lock);
}

void profiler_drop(struct profile_sample *s)
{
	struct profile_site *const site = s->site;
	const struct profile_moment now = profile_moment();

	tell_free(s->p);
	begin_change();
	keep_peak(site);
	subtract(&site->live, s->stands_for);
	if (s->thread == lock_self() && s->then.missed == now.missed && s->then.given == now.given)
		add(&site->temporary, s->stands_for);
	head.live_bytes -= s->stands_for.bytes;
	head.live_samples--;
	s->next = unused;
	unused = s;
	end_change();
}

/* ---- their objects --------------------------------------------------------------------------- */

void *profiler_malloc(size_t n, size_t size, const void *caller)
{
	struct slab_heap *const h = heap_at(root.profile_heap);

	lock_take(&h->lock);
	void *const p = heap_take_one(h, class_of(n));
	lock_give(&h->lock);
	remote_settle_for(h);
	if (p != NULL) {
		note(p, n, size, caller);
	} else {
		begin_change();
		head.lost++;
		end_change();
	}
	return p;
}

/* The flag proves nothing here: a thread that freed into an earlier slab at this address may raise
 * it late. */
bool profiler_free(void *p, uint32_t tag)
{
	struct slab_heap *const h = heap_at(root.profile_heap);

	lock_take(&h->lock);
	const bool live = ((tag_around(p) ^ tag) & ~TAG_REMOTE) == 0 && object_live(p);
	if (live) {
		live_word_set(p, live_word(p) & ~bit_of(p));
		heap_put_back(h, &p, 1, tag_class(tag));
	}
	lock_give(&h->lock);
	remote_settle_for(h);
	return live;
}

/* ---- start, end, fork ------------------------------------------------------------------------ */

bool profiler_start_up(void)
{
	struct timespec now;

	if (sampling.mean == 0)
		return true;
	root.profile_heap = heap_new_shared();
	site_chains = window_pool(SITE_CHAINS * sizeof *site_chains);
	chains = chains_new(CHAINS_LEAST);
	if (root.profile_heap == 0 || site_chains == NULL || chains == NULL)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	head.version = PROFILE_VERSION;
	head.site_bytes = sizeof(struct profile_site);
	head.mean = sampling.mean;
	head.begun_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	head.epoch = 1;
	__atomic_store_n(&root.profile, &head, __ATOMIC_RELEASE);
	return true;
}

void profiler_close(void)
{
	memset(&head, 0, sizeof head);
	atomic_store(&chains, NULL);
	site_chains = NULL;
	unused = NULL;
	profile_draw_close();
}

void profiler_before_fork(void)
{
	lock_fork_take(&lock);
}

void profiler_after_fork_parent(void)
{
	lock_fork_give(&lock);
}

/* The child goes on with the parent's profile: what is live there is live here.  */
void profiler_after_fork_child(void)
{
	lock_fork_child(&lock);
	/* P3: its owner slept inside a change, for more memory, and does not exist in the child */
	if (!lock_held(&lock) && head.changes % 2 != 0)
		head.changes++;
	profile_draw_after_fork();
}

/* ---- a look ---------------------------------------------------------------------------------- */

size_t profiler_copy(struct profile_head *out, void *to, size_t cap)
{
	size_t len = 0;

	lock_take(&lock);
	*out = head;
	for (const struct profile_segment *s = head.segments; s != NULL; s = s->next)
		len += s->used - sizeof *s;
	char *at = to;
	for (const struct profile_segment *s = head.segments; s != NULL && len <= cap;
	     s = s->next) {
		memcpy(at, s + 1, s->used - sizeof *s);
		at += s->used - sizeof *s;
	}
	lock_give(&lock);
	return len;
}
