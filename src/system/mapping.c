/* mapping.c - chunks with a mapping of their own. */
#include "system/mapping.h"

#include "base/bits.h"
#include "system/chunk.h"
#include "system/misuse.h"

void mappings_open(struct mappings *ms, const struct dmm_os *os)
{
	*ms = (struct mappings){.os = os};
	list_init(&ms->live);
	for (size_t i = 0; i < MAPPINGS_KEPT_BY_PAGES; i++)
		list_init(&ms->kept[i]);
}

static void unmap_all(struct mappings *ms, struct list *head)
{
	while (!list_empty(head)) {
		struct mapping *const m = list_entry(head->next, struct mapping, link);
		list_remove(&m->link);
		ms->os->unmap(ms->os->ctx, m, m->size);
	}
}

void mappings_close(struct mappings *ms)
{
	unmap_all(ms, &ms->live);
	for (size_t i = 0; i < MAPPINGS_KEPT_BY_PAGES; i++)
		unmap_all(ms, &ms->kept[i]);
	mappings_open(ms, ms->os);
}

static void remember_gone(struct mappings *ms, const struct mapping *at, size_t size)
{
	ms->gone[ms->gone_next] = (struct mapping_gone){at, size};
	ms->gone_next = (ms->gone_next + 1) % MAPPINGS_GONE;
}

/* A mapping that the kernel placed at this address again is not gone. */
static void forget_gone(struct mappings *ms, const struct mapping *at, size_t size)
{
	for (size_t i = 0; i < MAPPINGS_GONE; i++)
		if (ptr_diff(ms->gone[i].at, at) < size)
			ms->gone[i].at = NULL;
}

struct mapping *mapping_to_free(const struct mappings *ms, const void *p)
{
	struct mapping *const m = mapping_of(p);

	if (((uintptr_t)m & (ms->os->page - 1)) != 0)
		misuse_invalid_free(p);
	for (size_t i = 0; i < MAPPINGS_GONE; i++)
		if (ms->gone[i].at == m)
			misuse_double_free(p, ms->gone[i].size - sizeof *m);
	if (m->head == (m->size | CHUNK_M))
		misuse_double_free(p, mapping_usable(m));
	if (m->head != (m->size | CHUNK_M | CHUNK_L) || m->size % ms->os->page != 0)
		misuse_invalid_free(p);
	return m;
}

static void set_live(struct mappings *ms, struct mapping *m, size_t size)
{
	m->size = size;
	m->head = size | CHUNK_L | CHUNK_M;
	forget_gone(ms, m, size);
	list_insert_after(&ms->live, &m->link);
	ms->live_count++;
}

static void unset_live(struct mappings *ms, struct mapping *m)
{
	list_remove(&m->link);
	ms->live_count--;
}

static struct list *kept_list(struct mappings *ms, size_t size)
{
	const size_t pages = size / ms->os->page;
	return &ms->kept[pages < MAPPINGS_KEPT_BY_PAGES ? pages : 0];
}

/* The smallest kept one that has `size` bytes; among the large ones the first. */
static struct mapping *take_kept(struct mappings *ms, size_t size)
{
	const size_t pages = size / ms->os->page;

	if (ms->kept_count == 0)
		return NULL;
	for (size_t i = pages; i < MAPPINGS_KEPT_BY_PAGES; i++)
		if (!list_empty(&ms->kept[i]))
			return list_entry(ms->kept[i].next, struct mapping, link);
	for (struct list *at = ms->kept[0].next; at != &ms->kept[0]; at = at->next)
		if (list_entry(at, struct mapping, link)->size >= size)
			return list_entry(at, struct mapping, link);
	return NULL;
}

/* The page with the header stays; the pages after it are emptied. */
static void keep(struct mappings *ms, struct mapping *m)
{
	m->head &= ~(size_t)CHUNK_L;
	if (m->size > ms->os->page)
		ms->os->purge(ms->os->ctx, ptr_add(m, ms->os->page), m->size - ms->os->page);
	list_insert_after(kept_list(ms, m->size), &m->link);
	ms->kept_count++;
}

static void unmap_or_keep(struct mappings *ms, struct mapping *m)
{
	const size_t size = m->size;

	if (ms->os->unmap(ms->os->ctx, m, size) != 0) {
		keep(ms, m);
		return;
	}
	ms->bytes -= size;
	remember_gone(ms, m, size);
}

/* Unmap kept ones until `enough` bytes went back; those that did. */
static size_t give_back(struct mappings *ms, size_t enough)
{
	const size_t before = ms->bytes;

	for (size_t i = 0; i < MAPPINGS_KEPT_BY_PAGES; i++) {
		for (struct list *at = ms->kept[i].next, *next; at != &ms->kept[i]; at = next) {
			if (before - ms->bytes >= enough)
				break;
			next = at->next;
			list_remove(at);
			ms->kept_count--;
			unmap_or_keep(ms, list_entry(at, struct mapping, link));
		}
	}
	return before - ms->bytes;
}

struct mapping *mapping_new(struct mappings *ms, size_t n)
{
	const size_t size = round_up(n + sizeof(struct mapping), ms->os->page);

	struct mapping *m = take_kept(ms, size);
	if (m != NULL) {
		list_remove(&m->link);
		ms->kept_count--;
		set_live(ms, m, m->size);
		return m;
	}
	m = ms->os->map(ms->os->ctx, size, ms->os->page);
	if (m == NULL && give_back(ms, size) != 0)
		m = ms->os->map(ms->os->ctx, size, ms->os->page);
	if (m == NULL)
		return NULL;
	ms->bytes += size;
	set_live(ms, m, size);
	return m;
}

void mapping_delete(struct mappings *ms, struct mapping *m)
{
	unset_live(ms, m);
	if (ms->live_count >= MAPPINGS_MANY) {
		keep(ms, m);
		return;
	}
	unmap_or_keep(ms, m);
	if (ms->kept_count > 0 && ms->live_count == MAPPINGS_MANY / 2)
		mappings_trim(ms);
}

struct mapping *mapping_resize(struct mappings *ms, struct mapping *m, size_t n)
{
	const size_t old_size = m->size;
	const size_t size = round_up(n + sizeof *m, ms->os->page);

	if (size == old_size)
		return m;
	unset_live(ms, m);
	struct mapping *const moved = ms->os->remap(ms->os->ctx, m, old_size, size);
	if (moved == NULL) {
		set_live(ms, m, old_size);
		return size < old_size ? m : NULL; /* what could not be cut off is kept */
	}
	ms->bytes += size - old_size;
	if (moved != m)
		remember_gone(ms, m, old_size);
	set_live(ms, moved, size);
	return moved;
}

size_t mappings_trim(struct mappings *ms)
{
	return give_back(ms, SIZE_MAX);
}

/* ---- looking inside */

static uintptr_t address(const struct list *link)
{
	return (uintptr_t)link;
}

static int visit_mapping(const struct mapping *m, dmm_visit *visit, void *arg)
{
	const bool live = (m->head & CHUNK_L) != 0;
	const int r = piece(visit, arg, m, sizeof *m, DMM_META, "header", -1);

	return r != 0 ? r : piece(visit, arg, mapping_payload(m), mapping_usable(m),
	    live ? DMM_LIVE : DMM_FREE, live ? "payload" : "kept", -1);
}

/* The list whose next mapping has the lowest address; NULL: all are at their end. */
static struct list **lowest(struct list **at, struct list *const *heads, size_t count)
{
	struct list **best = NULL;

	for (size_t i = 0; i < count; i++)
		if (at[i] != heads[i] && (best == NULL || at[i] < *best))
			best = &at[i];
	return best;
}

int mappings_walk(struct mappings *ms, uintptr_t from, uintptr_t to, dmm_visit *visit, void *arg)
{
	struct list *heads[1 + MAPPINGS_KEPT_BY_PAGES] = {&ms->live},
	    *at[1 + MAPPINGS_KEPT_BY_PAGES];
	const size_t count = ms->kept_count == 0 ? 1 : 1 + MAPPINGS_KEPT_BY_PAGES;
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			heads[i] = &ms->kept[i - 1];
		list_sort(heads[i], address);
		at[i] = heads[i]->next;
	}
	for (struct list **low; r == 0 && (low = lowest(at, heads, count)) != NULL;
	     *low = (*low)->next)
		if ((uintptr_t)*low >= from && (uintptr_t)*low < to)
			r = visit_mapping(list_entry(*low, struct mapping, link), visit, arg);
	return r;
}

static bool check_list(const struct mappings *ms, const struct list *head, size_t bits,
    size_t *bytes, struct dmm_fault *why)
{
	const size_t page_mask = ms->os->page - 1;

	for (const struct list *at = head->next; at != head; at = at->next) {
		const struct mapping *const m = list_entry(at, struct mapping, link);
		if (((uintptr_t)m & page_mask) != 0 || (m->size & page_mask) != 0 || m->size == 0)
			return fault(why, "V1 aligned", m, m->size, ms->os->page);
		if (at->next->prev != at)
			return fault(why, "V2 linked", m, (uintptr_t)at->next->prev, (uintptr_t)at);
		if (m->head != (m->size | bits))
			return fault(why, "V4 mirrored", m, m->head, m->size | bits);
		*bytes += m->size;
	}
	return true;
}

bool mappings_check(const struct mappings *ms, struct dmm_fault *why)
{
	size_t bytes = 0;

	if (!check_list(ms, &ms->live, CHUNK_L | CHUNK_M, &bytes, why))
		return false;
	for (size_t i = 0; i < MAPPINGS_KEPT_BY_PAGES; i++)
		if (!check_list(ms, &ms->kept[i], CHUNK_M, &bytes, why))
			return false;
	if (bytes != ms->bytes)
		return fault(why, "V3 summed", ms, bytes, ms->bytes);
	return true;
}
