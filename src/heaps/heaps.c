/* heaps.c - include/dmm.h: heaps of a program's own, each a design of the lecture over a region.
 *
 *   range    | struct dmm_heap | used: a bit a page | region ............................. |
 *
 * All that a heap has lies in its range, so that destroying it is one munmap(), or nothing at all.
 *
 * Invariant: every heap that exists is in the list `heaps`, under list_lock, so that fork() finds
 * its lock. Lock order: list_lock, then the heaps'.
 */
#include "dmm.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/crash.h"
#include "heaps/region.h"
#include "heaps/snapshot.h"
#include "os/os.h"
#include "system/heap.h"
#include "system/policy/params.h"
#include "system/systems.h"

#define EXPORT __attribute__((visibility("default")))

static const size_t BUFFER_LEAST = 16 << 10, RESERVE = (size_t)64 << 30, RESERVE_LEAST = 1 << 20;

struct dmm_heap {
	struct heap heap;
	struct region region;
	void *range; /* what is unmapped in the end; NULL: a buffer of the caller's */
	size_t range_len;
	struct dmm_heap *next, **link; /* what points to this one */
};

static struct lock list_lock;
static struct dmm_heap *heaps;

/* ---- fork ------------------------------------------------------------------------------------ */

static void before_fork(void)
{
	lock_fork_take(&list_lock);
	for (struct dmm_heap *h = heaps; h != NULL; h = h->next)
		heap_before_fork(&h->heap);
}

static void after_fork_parent(void)
{
	for (struct dmm_heap *h = heaps; h != NULL; h = h->next)
		heap_after_fork_parent(&h->heap);
	lock_fork_give(&list_lock);
}

static void after_fork_child(void)
{
	for (struct dmm_heap *h = heaps; h != NULL; h = h->next)
		heap_after_fork_child(&h->heap);
	lock_fork_child(&list_lock);
}

static void guard_forks(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void enlist(struct dmm_heap *h)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, guard_forks); /* before list_lock is held: it may allocate */
	lock_take(&list_lock);
	h->next = heaps;
	h->link = &heaps;
	if (heaps != NULL)
		heaps->link = &h->next;
	heaps = h;
	lock_give(&list_lock);
}

static void delist(struct dmm_heap *h)
{
	lock_take(&list_lock);
	*h->link = h->next;
	if (h->next != NULL)
		h->next->link = h->link;
	lock_give(&list_lock);
}

/* ---- create and destroy ---------------------------------------------------------------------- */

EXPORT const char *dmm_heap_design(size_t i)
{
	for (size_t k = 0; systems_of_lecture[k] != NULL; k++)
		if (k == i)
			return systems_of_lecture[k]->name;
	return NULL;
}

static const struct dmm_system *find(const char *name)
{
	for (size_t i = 0; systems_of_lecture[i] != NULL; i++)
		if (strcmp(systems_of_lecture[i]->name, name) == 0)
			return systems_of_lecture[i];
	return NULL;
}

static struct dmm_heap *refuse(const struct dmm_heap_options *o, int error, const char *why)
{
	if (o->problem != NULL && o->problem_bytes != 0)
		crash_format(o->problem, o->problem_bytes, "%s", why);
	errno = error;
	return NULL;
}

static size_t head_len(size_t range_len)
{
	return round_up(sizeof(struct dmm_heap) + region_map_bytes(range_len), REGION_PAGE);
}

/* A heap in [p, p + len), whole pages, of which the head may be written to. */
static struct dmm_heap *begin(char *p, size_t len, const struct dmm_heap_options *o,
    const struct dmm_system *sys, const struct dmm_params *params)
{
	struct dmm_heap *const h = (struct dmm_heap *)p;
	const size_t limit = o->limit_bytes != 0 ? o->limit_bytes : SIZE_MAX;

	memset(p, 0, o->buffer != NULL ? head_len(len) : 0); /* the kernel's pages are zero */
	region_open(&h->region, p + head_len(len), p + len, (uint64_t *)(h + 1), o->buffer != NULL,
	    limit);
	if (heap_open(&h->heap, sys, params, &h->region.os) != 0)
		return NULL;
	enlist(h);
	return h;
}

static struct dmm_heap *in_buffer(const struct dmm_heap_options *o, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	char *const p = (char *)round_up((uintptr_t)o->buffer, REGION_PAGE);
	char *const end = (char *)round_down((uintptr_t)o->buffer + o->buffer_bytes, REGION_PAGE);

	if (o->buffer_bytes < BUFFER_LEAST || end <= p ||
	    ptr_diff(end, p) <= head_len(ptr_diff(end, p)))
		return refuse(o, EINVAL,
		    "the buffer has less than 16 KiB, or not one whole page beside the heap's own");
	struct dmm_heap *const h = begin(p, ptr_diff(end, p), o, sys, params);
	return h != NULL ? h : refuse(o, ENOMEM, "the buffer is too small for this design");
}

/* As many addresses as the caller wants; without a wish, all that are left. */
static void *reserve(const struct dmm_heap_options *o, size_t *len)
{
	const size_t limit = min_size(o->limit_bytes, DMM_SIZE_MAX / 4);

	*len = o->reserve_bytes != 0 ? o->reserve_bytes
	       : limit != 0          ? 2 * limit + RESERVE_LEAST
	                             : RESERVE;
	*len = round_up(min_size(*len, DMM_SIZE_MAX / 2), REGION_PAGE);
	for (;; *len = round_up(*len / 2, REGION_PAGE)) {
		void *const p = region_reserve(*len);
		if (p != NULL || o->reserve_bytes != 0 || *len / 2 < RESERVE_LEAST)
			return p;
	}
}

static struct dmm_heap *in_range(const struct dmm_heap_options *o, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	size_t len;

	if (os_here()->page != REGION_PAGE)
		return refuse(o, ENOTSUP,
		    "without a buffer a heap needs a kernel with pages of 4 KiB");
	if (o->reserve_bytes != 0 && o->reserve_bytes < RESERVE_LEAST)
		return refuse(o, EINVAL, "reserve_bytes is less than 1 MiB");
	char *const p = reserve(o, &len);
	if (p == NULL)
		return refuse(o, ENOMEM, "the process may have no more addresses");
	struct dmm_heap *const h =
	    region_commit(p, head_len(len)) ? begin(p, len, o, sys, params) : NULL;
	if (h == NULL) {
		munmap(p, len);
		return refuse(o, ENOMEM, "no memory for the heap itself");
	}
	h->range = p;
	h->range_len = len;
	return h;
}

EXPORT struct dmm_heap *dmm_heap_create(const struct dmm_heap_options *options)
{
	static const struct dmm_heap_options none;
	const struct dmm_heap_options *const o = options != NULL ? options : &none;
	const char *const name = o->design != NULL ? o->design : "gnu";
	const struct dmm_system *const sys = find(name);
	struct conf_error e;

	if (sys == NULL && strcmp(name, "slab") == 0)
		return refuse(o, ENOTSUP,
		    "a process has one heap of slab: malloc's, with libdmm; take gnu or segmeta");
	if (sys == NULL)
		return refuse(o, ENOENT,
		    "there is no such design: dmm_heap_design() has the names");
	struct dmm_params params = sys->defaults;
	if (o->conf != NULL && !params_parse(&params, sys, o->conf, &e))
		return refuse(o, EINVAL, e.text);
	return o->buffer != NULL ? in_buffer(o, sys, &params) : in_range(o, sys, &params);
}

EXPORT void dmm_heap_destroy(struct dmm_heap *h)
{
	const int saved = errno;

	if (h == NULL)
		return;
	delist(h);
	if (h->range != NULL)
		munmap(h->range, h->range_len);
	errno = saved;
}

/* ---- objects --------------------------------------------------------------------------------- */

static void must_be_inside(const struct dmm_heap *h, const void *p, const char *call)
{
	if (p != NULL && (p < (void *)h->region.base || p >= (void *)h->region.end))
		crash("%s(%p): not an object of heap %p (%s)", call, p, h, h->heap.sys->name);
}

EXPORT void *dmm_heap_malloc(struct dmm_heap *h, size_t n)
{
	return heap_malloc(&h->heap, n);
}

EXPORT void *dmm_heap_calloc(struct dmm_heap *h, size_t count, size_t n)
{
	return heap_calloc(&h->heap, count, n);
}

EXPORT void *dmm_heap_aligned(struct dmm_heap *h, size_t align, size_t n)
{
	return heap_aligned(&h->heap, align, n);
}

EXPORT void *dmm_heap_realloc(struct dmm_heap *h, void *p, size_t n)
{
	must_be_inside(h, p, "dmm_heap_realloc");
	return heap_realloc(&h->heap, p, n);
}

EXPORT void dmm_heap_free(struct dmm_heap *h, void *p)
{
	must_be_inside(h, p, "dmm_heap_free");
	heap_free(&h->heap, p);
}

EXPORT size_t dmm_heap_usable(struct dmm_heap *h, const void *p)
{
	must_be_inside(h, p, "dmm_heap_usable");
	return heap_usable(&h->heap, p);
}

EXPORT size_t dmm_heap_trim(struct dmm_heap *h)
{
	return heap_trim(&h->heap, 0);
}

/* ---- looking --------------------------------------------------------------------------------- */

EXPORT int dmm_heap_walk(struct dmm_heap *h, dmm_visit *visit, void *arg)
{
	struct snapshot s;

	if (!snapshot_take(&s, &h->heap)) {
		errno = ENOMEM;
		return -1;
	}
	int r = 0;
	for (size_t i = 0; i < s.count && r == 0; i++)
		r = visit(arg, &s.piece[i]);
	snapshot_drop(&s);
	return r;
}

EXPORT bool dmm_heap_check(struct dmm_heap *h, struct dmm_fault *why)
{
	struct dmm_fault nowhere;

	return heap_check(&h->heap, why != NULL ? why : &nowhere);
}

struct usage_sums {
	struct dmm_heap *heap;
	struct dmm_heap_usage *out;
};

/* With the heap's lock held: what the region owns is read within the walk. */
static int add(void *arg, const struct dmm_piece *piece)
{
	const struct usage_sums *const s = arg;
	struct dmm_heap_usage *const out = s->out;
	size_t *const bytes[] = {[DMM_FREE] = &out->free_bytes,
	    [DMM_LIVE] = &out->live_bytes,
	    [DMM_META] = &out->meta_bytes,
	    [DMM_PAD] = &out->pad_bytes};

	*bytes[piece->kind] += piece->len;
	out->free_pieces += piece->kind == DMM_FREE;
	out->live_objects += piece->kind == DMM_LIVE;
	out->owned_bytes = s->heap->region.owned;
	out->peak_bytes = s->heap->region.peak;
	out->refused = s->heap->region.refused;
	return 0;
}

EXPORT void dmm_heap_stats(struct dmm_heap *h, struct dmm_heap_usage *out)
{
	struct usage_sums s = {h, out};

	*out = (struct dmm_heap_usage){.design = h->heap.sys->name, .limit_bytes = h->region.limit};
	heap_walk(&h->heap, add, &s);
}
