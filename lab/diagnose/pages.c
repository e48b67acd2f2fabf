/* pages.c - pages that few live objects hold, and whose objects they are.
 *
 *   page  [..a.......a......]   only objects of site a live here, and they take at most a
 *                               quarter: if they go, the page is free
 *         [..a....b.........]   sparse too, but no single site holds it
 *
 * A table of pages, open addressing, made anew at each look.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "diagnose/gather.h"

enum { SHARED = UINT32_MAX };

struct page {
	uint64_t number; /* 0: empty */
	uint32_t live;   /* bytes */
	uint32_t stack;  /* SHARED: several sites */
	uint32_t objects;
};

struct sparse_pages {
	struct page *at;
	size_t cap, count;
};

static struct page *slot(const struct sparse_pages *t, uint64_t number)
{
	size_t i = number * 0x9e3779b97f4a7c15u >> 20 & (t->cap - 1);

	while (t->at[i].number != 0 && t->at[i].number != number)
		i = (i + 1) & (t->cap - 1);
	return &t->at[i];
}

static bool grow(struct sparse_pages *t)
{
	const struct sparse_pages old = *t;

	*t = (struct sparse_pages){.cap = old.cap != 0 ? 2 * old.cap : 4096};
	t->at = calloc(t->cap, sizeof *t->at);
	if (t->at == NULL) {
		*t = old;
		return false;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.at[i].number != 0) {
			*slot(t, old.at[i].number) = old.at[i];
			t->count++;
		}
	free(old.at);
	return true;
}

static bool add(struct sparse_pages *t, uint64_t number, uint64_t bytes,
    const struct live_object *o)
{
	if (2 * (t->count + 1) > t->cap && !grow(t))
		return false;
	struct page *const p = slot(t, number);
	if (p->number == 0) {
		*p = (struct page){.number = number, .stack = o->stack};
		t->count++;
	}
	p->live += (uint32_t)bytes;
	p->objects++;
	if (p->stack != o->stack)
		p->stack = SHARED;
	return true;
}

/* Pages that lie wholly inside one object are full: only its first and its last can be sparse. */
static bool add_object(struct sparse_pages *t, const struct live_object *o)
{
	const uint64_t end = o->addr + max_size(o->size, 1);
	const uint64_t first = o->addr / PAGE_BYTES, last = (end - 1) / PAGE_BYTES;

	if (first == last)
		return add(t, first, end - o->addr, o);
	return add(t, first, (first + 1) * PAGE_BYTES - o->addr, o) &&
	    add(t, last, end - last * PAGE_BYTES, o);
}

static bool is_sparse(const struct page *p)
{
	return p->number != 0 && p->live * SPARSE_PART <= PAGE_BYTES;
}

static int by_pages(const void *a, const void *b)
{
	const struct pin *const x = a, *const y = b;

	if (x->pages != y->pages)
		return x->pages > y->pages ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

/* The sites that hold most pages alone. */
static bool name_holders(struct gather *g, const struct sparse_pages *t)
{
	struct pin *const all = calloc(g->site_cap, sizeof *all);
	size_t n = 0;

	if (all == NULL)
		return false;
	for (size_t i = 0; i < t->cap; i++) {
		const struct page *const p = &t->at[i];
		if (!is_sparse(p) || p->stack == SHARED || p->stack >= g->site_cap)
			continue;
		all[p->stack].pages++;
		all[p->stack].objects += p->objects;
		all[p->stack].bytes += p->live;
	}
	for (size_t i = 0; i < g->site_cap; i++)
		if (all[i].pages != 0) {
			all[i].stack = (uint32_t)i;
			all[n++] = all[i];
		}
	qsort(all, n, sizeof *all, by_pages);
	g->pins = min_size(n, PINS_MAX);
	memcpy(g->pin, all, g->pins * sizeof *all);
	free(all);
	return true;
}

bool pages_look(struct gather *g, unsigned mark)
{
	const struct live *const live = &g->stream->live;
	struct sparse now = {.mark = mark};
	struct sparse_pages t = {0};
	bool ok = true;

	for (size_t i = 0; ok && i < live->cap; i++)
		if (live->at[i].addr != 0)
			ok = add_object(&t, &live->at[i]);
	for (size_t i = 0; i < t.cap; i++)
		if (is_sparse(&t.at[i])) {
			now.pages++;
			now.live += t.at[i].live;
		}
	g->held[mark] = now.pages * PAGE_BYTES - now.live;
	if (ok && now.pages > g->sparse.pages) {
		g->sparse = now;
		ok = name_holders(g, &t);
	}
	free(t.at);
	return ok;
}
