/* segment.c - finding pages, and giving them up. */
#include "system/segment.h"

#include <string.h>

void segments_open(struct segments *s, const struct dmm_os *os)
{
	*s = (struct segments){.os = os};
	list_init(&s->all);
}

void segments_close(struct segments *s)
{
	for (struct list *at = s->all.next, *next; at != &s->all; at = next) {
		struct segment *const g = list_entry(at, struct segment, link);
		next = at->next;
		s->os->unmap(s->os->ctx, g, g->pages * SLOTS_PAGE);
	}
	segments_open(s, s->os);
}

/* In address order, as walk() tells them: a walk shall not change where the next page comes
 * from. */
static void insert(struct segments *s, struct segment *g)
{
	struct list *at = s->all.prev;

	if ((uintptr_t)&g->link < (uintptr_t)s->all.next)
		at = &s->all; /* the kernel maps downward */
	while (at != &s->all && (uintptr_t)at > (uintptr_t)&g->link)
		at = at->prev;
	list_insert_after(at, &g->link);
}

static struct segment *new_segment(struct segments *s, size_t pages)
{
	struct segment *const g = s->os->map(s->os->ctx, pages * SLOTS_PAGE, SEGMENT_LEN);

	if (g == NULL)
		return NULL;
	g->pages = pages;
	g->unused = pages - 1;
	g->what[0] = OURS;
	insert(s, g);
	return g;
}

/* The first of `count` unused pages in a row; 0: there are none. */
static size_t unused_run(const struct segment *g, size_t count)
{
	size_t found = 0;

	if (g->unused < count)
		return 0;
	if (g->pages > PAGES) /* the kernel refused to unmap it: good for one large object again */
		return count >= PAGES;
	for (size_t i = 1; i < PAGES; i++) {
		found = g->what[i] == UNUSED ? found + 1 : 0;
		if (found == count)
			return i + 1 - count;
	}
	return 0;
}

/* From where some were found last, from any segment, from a new one. */
static struct segment *find(struct segments *s, size_t count, size_t *i)
{
	struct segment *g = s->recent;

	*i = g != NULL ? unused_run(g, count) : 0;
	for (struct list *at = s->all.next; *i == 0 && at != &s->all; at = at->next) {
		g = list_entry(at, struct segment, link);
		*i = unused_run(g, count);
	}
	if (*i != 0)
		return g;
	*i = 1;
	return new_segment(s, max_size(PAGES, count + 1));
}

char *segment_take(struct segments *s, size_t count, uint8_t first, uint8_t rest)
{
	size_t i;
	struct segment *const g = find(s, count, &i);

	if (g == NULL)
		return NULL;
	g->unused -= g->pages > PAGES ? g->unused : count;
	g->what[i] = first;
	for (size_t k = i + 1; k < i + count && k < PAGES; k++)
		g->what[k] = rest;
	if (g->pages == PAGES)
		s->recent = g;
	return segment_page(g, i);
}

size_t segment_run(const struct segment *g, size_t i)
{
	size_t end = i + 1;

	if (g->pages > PAGES)
		return g->pages - 1;
	while (end < PAGES && g->what[end] == RUN_BODY)
		end++;
	return end - i;
}

void segment_give(struct segments *s, struct segment *g, size_t i, size_t count)
{
	if (g->pages > PAGES) {
		list_remove(&g->link);
		if (s->os->unmap(s->os->ctx, g, g->pages * SLOTS_PAGE) == 0)
			return;
		insert(s, g);
		s->os->purge(s->os->ctx, segment_page(g, 1), count * SLOTS_PAGE);
	}
	memset(&g->what[i], UNUSED, min_size(count, PAGES - i));
	g->unused += count;
}

void segment_clear_marks(struct segment *g)
{
	memset(g->marks, 0, sizeof g->marks);
}

bool segments_have(const struct segments *s, const struct segment *g)
{
	const struct list *at = s->all.next;

	while (at != &s->all && at != &g->link)
		at = at->next;
	return at == &g->link;
}

static bool check_segment(const struct segment *g, struct dmm_fault *why)
{
	size_t unused = 0;

	for (size_t i = 1; i < PAGES && g->pages == PAGES; i++) {
		const uint8_t what = g->what[i], before = g->what[i - 1];
		unused += what == UNUSED;
		if (what >= CLASS_0 + SLOTS_CLASSES && what != RUN && what != RUN_BODY)
			return fault(why, "S1 class", segment_page(g, i), what, UNUSED);
		if (what == RUN_BODY && before != RUN && before != RUN_BODY)
			return fault(why, "S1 class", segment_page(g, i), what, RUN);
	}
	if (g->pages > PAGES && g->what[1] == UNUSED)
		unused = g->pages - 1;
	if (unused != g->unused)
		return fault(why, "S4 counted", g, g->unused, unused);
	return true;
}

bool segments_check(const struct segments *s, struct dmm_fault *why)
{
	for (const struct list *at = s->all.next; at != &s->all; at = at->next)
		if (!check_segment(list_entry(at, struct segment, link), why))
			return false;
	return true;
}
