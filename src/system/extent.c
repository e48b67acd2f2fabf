/* extent.c - maps and unmaps the memory that extent.h's records describe. */
#include "system/extent.h"

#include "base/bits.h"

void extents_open(struct extents *x, const struct dmm_os *os)
{
	*x = (struct extents){.os = os};
	list_init(&x->all);
	list_init(&x->spare);
}

static void unmap_kind(struct extents *x, bool descriptors)
{
	for (struct list *at = x->all.next, *next; at != &x->all; at = next) {
		struct extent *const e = list_entry(at, struct extent, link);
		next = at->next;
		if ((e->kind == EXTENT_DESCRIPTORS) != descriptors)
			continue;
		if (!descriptors)
			list_remove(&e->link);
		x->os->unmap(x->os->ctx, e->base, e->pages * x->os->page);
	}
}

void extents_close(struct extents *x)
{
	unmap_kind(x, false);
	unmap_kind(x, true); /* they describe themselves: nothing may be written once one is gone */
	extents_open(x, x->os);
}

/* A fresh page of descriptors, the first of which describes it. */
static bool more_descriptors(struct extents *x)
{
	struct extent *const e = x->os->map(x->os->ctx, x->os->page, x->os->page);

	if (e == NULL)
		return false;
	*e = (struct extent){.base = (char *)e, .pages = 1, .kind = EXTENT_DESCRIPTORS};
	list_insert_after(&x->all, &e->link);
	for (size_t i = 1; i < x->os->page / sizeof *e; i++)
		list_insert_after(&x->spare, &e[i].link);
	return true;
}

static struct extent *take_kept(struct extents *x, size_t pages)
{
	for (struct list *at = x->all.next; x->kept != 0 && at != &x->all; at = at->next) {
		struct extent *const e = list_entry(at, struct extent, link);
		if (e->kind != EXTENT_KEPT || e->pages < pages)
			continue;
		x->kept--;
		e->kind = EXTENT_RUN;
		return e;
	}
	return NULL;
}

struct extent *extent_new(struct extents *x, size_t pages, enum extent_kind kind)
{
	struct extent *e = kind == EXTENT_RUN ? take_kept(x, pages) : NULL;

	if (e != NULL)
		return e;
	if (list_empty(&x->spare) && !more_descriptors(x))
		return NULL;
	char *const base = x->os->map(x->os->ctx, pages * x->os->page, x->os->page);
	if (base == NULL)
		return NULL;
	e = list_entry(x->spare.next, struct extent, link);
	list_remove(&e->link);
	e->base = base;
	e->pages = pages;
	e->kind = kind;
	list_insert_after(&x->all, &e->link);
	return e;
}

void extent_delete(struct extents *x, struct extent *e)
{
	const size_t len = e->pages * x->os->page;

	if (x->os->unmap(x->os->ctx, e->base, len) != 0) {
		x->os->purge(x->os->ctx, e->base, len);
		e->kind = EXTENT_KEPT;
		x->kept++;
		return;
	}
	list_remove(&e->link);
	list_insert_after(&x->spare, &e->link);
}

bool extent_resize(struct extents *x, struct extent *e, size_t pages)
{
	const size_t page = x->os->page;
	char *const base = x->os->remap(x->os->ctx, e->base, e->pages * page, pages * page);

	if (base == NULL)
		return false;
	e->base = base;
	e->pages = pages;
	return true;
}

static uintptr_t address(const struct list *link)
{
	return (uintptr_t)list_entry(link, struct extent, link)->base;
}

void extents_sort(struct extents *x)
{
	list_sort(&x->all, address);
}
