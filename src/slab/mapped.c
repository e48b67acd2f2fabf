/* mapped.c - see mapped.h. */
#include "slab/mapped.h"

#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/crash.h"
#include "slab/guarded.h"
#include "slab/misuse.h"
#include "slab/page_heap.h"
#include "slab/place.h"
#include "slab/settings.h"

enum { FREED = 16, REFUSED = 16 };

struct lock mapped_lock;
static struct mapped_object freed[FREED];
static unsigned freed_next;
/* with their guards; mapped_lock */
static struct mapped_object refused[REFUSED];
static unsigned refused_count;

static size_t guard_len(void)
{
	return hardening.guard_large ? root.os->page : 0;
}

/* ---- what the kernel does not take back ------------------------------------------------------ */

/* The kernel refuses to unmap if that splits a mapping and the program has vm.max_map_count of
 * them. The memory goes back then, the addresses stay, and slab asks again later; of more than
 * REFUSED at a time it forgets one. */
static bool try_unmap(const struct mapped_object *o)
{
	const struct dmm_os *const os = root.os;

	if (o->len == 0 || os->unmap(os->ctx, (void *)o->start, o->len) == 0)
		return true;
	os->purge(os->ctx, (void *)o->start, o->len);
	return false;
}

static void note_refused(const struct mapped_object *o)
{
	CHECK(lock_held(&mapped_lock));
	if (refused_count < REFUSED)
		refused[refused_count++] = *o;
}

/* Small, or never touched, so the lock may be held meanwhile. */
static void unmap_small(void *p, size_t len)
{
	const struct mapped_object o = {(uintptr_t)p, len};
	if (!try_unmap(&o))
		note_refused(&o);
}

/* The lock is not held: to unmap a large object may take long. */
static void unmap(struct mapped_object o)
{
	if (try_unmap(&o))
		return;
	lock_take(&mapped_lock);
	note_refused(&o);
	lock_give(&mapped_lock);
}

/* The one that was refused first, to ask about it again; empty: there is none. */
static struct mapped_object take_refused(void)
{
	struct mapped_object first = {0};

	CHECK(lock_held(&mapped_lock));
	if (likely(refused_count == 0))
		return first;
	first = refused[0];
	memmove(refused, refused + 1, --refused_count * sizeof *refused);
	return first;
}

const struct mapped_object *mapped_refused(unsigned i)
{
	return i < refused_count ? &refused[i] : NULL;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The index of the first object that ends after p; or the number of objects. */
static uint32_t find(uintptr_t p)
{
	uint32_t low = 0, high = root.mapped_count;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		const struct mapped_object *const o = &root.mapped[middle];
		if (p < o->start + o->len)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The object that begins at p, or NULL. */
static struct mapped_object *object_at(const void *p)
{
	const uint32_t i = find((uintptr_t)p);
	CHECK(lock_held(&mapped_lock));
	return i < root.mapped_count && root.mapped[i].start == (uintptr_t)p ? &root.mapped[i]
	                                                                     : NULL;
}

/* Make room for one more; false: no memory. */
static bool table_grow(void)
{
	const struct dmm_os *const os = root.os;
	const size_t had = root.mapped_room * sizeof *root.mapped;
	const size_t len = had != 0 ? 2 * had : os->page;

	CHECK(lock_held(&mapped_lock));
	if (root.mapped_count < root.mapped_room)
		return true;
	struct mapped_object *const table = os->map(os->ctx, len, root.os->page);
	if (table == NULL)
		return false;
	if (had != 0) {
		memcpy(table, root.mapped, had);
		unmap_small(root.mapped, had);
	}
	root.mapped = table;
	root.mapped_room = (uint32_t)(len / sizeof *table);
	return true;
}

/* Object i and its neighbours are in address order and do not overlap; for debug builds. */
static bool in_order(uint32_t i)
{
	const struct mapped_object *const o = &root.mapped[i];

	return (i == 0 || o[-1].start + o[-1].len <= o->start) &&
	       (i + 1 >= root.mapped_count || o->start + o->len <= o[1].start);
}

static void enter(uintptr_t start, size_t len)
{
	const uint32_t i = find(start);

	CHECK(lock_held(&mapped_lock) && root.mapped_count < root.mapped_room && len > 0);
	memmove(&root.mapped[i + 1], &root.mapped[i],
	    (root.mapped_count - i) * sizeof *root.mapped);
	root.mapped[i] = (struct mapped_object){start, len};
	root.mapped_count++;
	root.mapped_bytes += len;
	DEBUG_CHECK(in_order(i));
}

static void leave(struct mapped_object *o)
{
	const uint32_t i = (uint32_t)(o - root.mapped);

	CHECK(lock_held(&mapped_lock) && i < root.mapped_count);
	root.mapped_bytes -= o->len;
	root.mapped_count--;
	memmove(o, o + 1, (root.mapped_count - i) * sizeof *o);
	DEBUG_CHECK(i == root.mapped_count || in_order(i));
}

/* ---- objects --------------------------------------------------------------------------------- */

/* An object of len bytes between its guards; NULL: the system refuses. */
static char *map(size_t len, size_t align)
{
	const struct dmm_os *const os = root.os;
	const size_t guard = guard_len(), lead = guard != 0 ? max_size(guard, align) : 0;
	char *const at = os->map(os->ctx, lead + len + guard, max_size(align, root.os->page));

	if (at == NULL || guard == 0)
		return at;
	if (lead > guard) /* the guard lies next to the object */
		unmap_small(at, lead - guard);
	os->protect(os->ctx, at + lead - guard, guard, DMM_PROTECT_NONE);
	os->protect(os->ctx, at + lead + len, guard, DMM_PROTECT_NONE);
	return at + lead;
}

/* The lock is held. */
static char *add(size_t len, size_t align)
{
	char *const p = table_grow() ? map(len, align) : NULL;

	if (p != NULL)
		enter((uintptr_t)p, len);
	return p;
}

void *mapped_malloc(size_t n, size_t align, bool *clean)
{
	char *p = NULL;

	if (n <= DMM_SIZE_MAX - 4 * root.os->page && align <= DMM_SIZE_MAX / 2 && root.base != 0) {
		const size_t len = round_up(max_size(n, 1), root.os->page);
		lock_take(&mapped_lock);
		const struct mapped_object again = take_refused();
		p = add(len, align);
		lock_give(&mapped_lock);
		unmap(again);
		if (p == NULL && page_heap_shed()) {
			lock_take(&mapped_lock);
			p = add(len, align);
			lock_give(&mapped_lock);
		}
	}
	if (p == NULL)
		errno = ENOMEM;
	*clean = true;
	return p;
}

bool mapped_free(void *p)
{
	const size_t guard = guard_len();
	struct mapped_object again = {0};

	if (__atomic_load_n(&root.mapped_count, __ATOMIC_RELAXED) == 0)
		return false;
	lock_take(&mapped_lock);
	struct mapped_object *const o = object_at(p);
	const size_t len = o != NULL ? o->len : 0;
	if (o != NULL) {
		freed[freed_next++ % FREED] = *o;
		leave(o);
		again = take_refused();
	}
	lock_give(&mapped_lock);
	if (len == 0)
		return false;
	unmap((struct mapped_object){(uintptr_t)p - guard, len + 2 * guard});
	unmap(again);
	return true;
}

void mapped_forget(const void *p)
{
	lock_take(&mapped_lock);
	struct mapped_object *const o = object_at(p);
	if (o != NULL)
		leave(o);
	lock_give(&mapped_lock);
}

/* The lock is held. */
static char *remap(struct mapped_object *o, size_t len)
{
	char *const q = root.os->remap(root.os->ctx, (void *)o->start, o->len, len);

	if (q != NULL) {
		leave(o);
		enter((uintptr_t)q, len);
	}
	return q;
}

static void *copy(void *p, size_t had, size_t n)
{
	bool clean;
	void *const q = mapped_malloc(n, 1, &clean);

	if (q != NULL) {
		memcpy(q, p, min_size(had, n));
		mapped_free(p);
	}
	return q;
}

void *mapped_resize(void *p, size_t n)
{
	char *q = NULL;
	size_t had = 0;

	if (n > DMM_SIZE_MAX - 4 * root.os->page) {
		errno = ENOMEM;
		return NULL;
	}
	const size_t len = round_up(n, root.os->page);
	lock_take(&mapped_lock);
	struct mapped_object *const o = object_at(p);
	had = o != NULL ? o->len : 0;
	if (had == len)
		q = p;
	else if (o != NULL && guard_len() == 0)
		q = remap(o, len);
	lock_give(&mapped_lock);
	if (had == 0)
		slab_bad_pointer("realloc", p);
	if (q == NULL && guard_len() != 0)
		return copy(p, had, n);
	if (q == NULL)
		errno = ENOMEM;
	return q;
}

/* ---- what is at an address ------------------------------------------------------------------- */

size_t mapped_size(const void *p)
{
	size_t len = 0;

	if (__atomic_load_n(&root.mapped_count, __ATOMIC_RELAXED) != 0) {
		lock_take(&mapped_lock);
		const struct mapped_object *const o = object_at(p);
		len = o != NULL ? o->len : 0;
		lock_give(&mapped_lock);
	}
	return len;
}

void mapped_bad_pointer(const char *call, const void *p)
{
	const uintptr_t at = (uintptr_t)p;
	struct mapped_object in = {0};
	size_t was = 0;

	lock_take(&mapped_lock);
	const uint32_t i = find(at);
	if (i < root.mapped_count && root.mapped[i].start < at)
		in = root.mapped[i];
	for (unsigned k = 0; k < FREED; k++)
		was = freed[k].start == at && at != 0 ? freed[k].len : was;
	lock_give(&mapped_lock);
	if (in.len != 0)
		crash("invalid %s: %p (inside %u bytes)", call, p, in.len);
	if (was != 0 && strcmp(call, "free") == 0)
		slab_misuse("double free", p, was);
	if (was != 0)
		crash("%s after free: %p (%u bytes)", call, p, was);
}

void mapped_close(void)
{
	const struct dmm_os *const os = root.os;
	const size_t guard = guard_len();

	for (uint32_t i = 0; i < root.mapped_count; i++)
		os->unmap(os->ctx, (char *)root.mapped[i].start - guard,
		    root.mapped[i].len + 2 * guard);
	for (unsigned i = 0; i < refused_count; i++)
		os->unmap(os->ctx, (void *)refused[i].start, refused[i].len);
	refused_count = 0;
	if (root.mapped_room != 0)
		os->unmap(os->ctx, root.mapped, root.mapped_room * sizeof *root.mapped);
	memset(freed, 0, sizeof freed);
}
