/* chain.c - growing, walking and checking a heap of chunks with headers. */
#include "system/chain.h"

#include <errno.h>

#include "base/assert.h"

int chain_open(struct chain *c, const struct dmm_os *os)
{
	*c = (struct chain){.section = {.os = os}};
	return os->brk_get != NULL ? 0 : -ENOSYS;
}

void chain_close(struct chain *c)
{
	section_close(&c->section);
	c->first = c->last = NULL;
}

struct header *chain_extend(struct chain *c, size_t n, size_t extra)
{
	char *const old_end = c->section.end;
	char *const p = section_grow(&c->section, n, extra);

	if (p == NULL)
		return NULL;
	if (p == old_end)
		return c->last;
	if (c->last != NULL) /* other code moved the break: a fence covers the hole */
		*c->last = (struct header){ptr_diff(p, c->last) | CHAIN_FOREIGN, (void *)old_end};
	else
		c->first = (void *)p;
	c->last = (void *)p;
	return c->last;
}

struct header *chain_take(struct chain *c, size_t size)
{
	struct header *const h = c->last;

	c->last = ptr_add(h, size);
	CHECK((char *)c->last + CHAIN_HEADER <= c->section.end);
	*c->last = (struct header){0};
	*h = (struct header){.size = size};
	return h;
}

struct header *chain_grow(struct chain *c, size_t size)
{
	return chain_extend(c, size, CHAIN_HEADER) != NULL ? chain_take(c, size) : NULL;
}

bool chain_plausible(const struct chain *c, const void *p)
{
	const struct header *const h = chain_chunk(p);

	return c->first != NULL && is_aligned(p, MAX_ALIGN) && h >= c->first && h < c->last &&
	    h->size >= CHAIN_MIN && h->size % MAX_ALIGN == 0 && h->size <= ptr_diff(c->last, h);
}

int chain_visit(const struct header *h, enum dmm_kind kind, const char *what, dmm_visit *visit,
    void *arg)
{
	const bool fence = chain_is_fence(h);
	const size_t rest = fence ? ptr_diff(h->next, h) - CHAIN_HEADER : h->size - CHAIN_HEADER;
	const int r = piece(visit, arg, h, CHAIN_HEADER, DMM_META, fence ? "fence" : "header", -1);

	if (r != 0)
		return r;
	return piece(visit, arg, chain_payload(h), rest, fence ? DMM_PAD : kind,
	    fence ? "cut off by a hole" : what, fence || kind != DMM_FREE ? -1 : 0);
}

int chain_visit_last(const struct chain *c, dmm_visit *visit, void *arg)
{
	return piece(visit, arg, c->last, c->last != NULL ? CHAIN_HEADER : 0, DMM_META, "header",
	    -1);
}

bool chain_check(const struct chain *c, struct dmm_fault *why)
{
	const struct header *h = c->first;

	for (; h < c->last; h = chain_after(h)) {
		const size_t size = chain_size(h);
		if (size % MAX_ALIGN != 0 || size < CHAIN_MIN)
			return fault(why, "H1 aligned", h, size, CHAIN_MIN);
		if (size > ptr_diff(c->last, h))
			return fault(why, "H2 bounded", h, size, ptr_diff(c->last, h));
	}
	if (h != NULL && h->size != 0)
		return fault(why, "H3 last", h, h->size, 0);
	return true;
}
