/* snapshot.c - pieces of a walk, grouped into chunks. */
#include "draw/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/array.h"

static int keep(void *arg, const struct dmm_piece *piece)
{
	struct picture *const p = arg;

	ARRAY_GROW(p->pieces, p->piece_cap, p->piece_count + 1);
	p->pieces[p->piece_count++] = *piece;
	p->owned_bytes += piece->len;
	*(piece->kind == DMM_FREE     ? &p->free_bytes
	        : piece->kind == DMM_LIVE ? &p->live_bytes
	        : piece->kind == DMM_META ? &p->meta_bytes
	                                  : &p->pad_bytes) += piece->len;
	return 0;
}

bool picture_begins_region(const struct picture *p, size_t i)
{
	return i == 0 || p->pieces[i - 1].addr + p->pieces[i - 1].len != p->pieces[i].addr;
}

/* The role of a piece in the chunk that is being put together. */
enum role { ROLE_OPENS, ROLE_BODY, ROLE_LINKS, ROLE_CLOSES, ROLE_OUTSIDE };

static enum role role_of(const struct dmm_piece *piece)
{
	if (piece->kind == DMM_META && strcmp(piece->what, "header") == 0)
		return ROLE_OPENS;
	if (piece->kind == DMM_LIVE || piece->kind == DMM_PAD)
		return piece->kind == DMM_LIVE ? ROLE_BODY : ROLE_OUTSIDE;
	if (strcmp(piece->what, "links") == 0)
		return ROLE_LINKS;
	if (strcmp(piece->what, "footer") == 0)
		return ROLE_CLOSES;
	return piece->kind == DMM_FREE ? ROLE_BODY : ROLE_OUTSIDE;
}

static struct picture_chunk *open_chunk(struct picture *p, size_t i)
{
	const struct dmm_piece *const piece = &p->pieces[i];

	ARRAY_GROW(p->chunks, p->chunk_cap, p->chunk_count + 1);
	struct picture_chunk *const c = &p->chunks[p->chunk_count++];
	*c = (struct picture_chunk){.addr = piece->addr, .bin = piece->bin, .first = (uint32_t)i,
	    .rank = PICTURE_UNLISTED};
	return c;
}

/* Links and a footer in what will be payload are free bytes all the same. */
static void add_piece(struct picture_chunk *c, const struct dmm_piece *piece)
{
	c->len += piece->len;
	c->count++;
	if (piece->kind == DMM_META)
		return;
	if (c->usable == 0)
		c->mem = piece->addr;
	c->usable += piece->len;
	c->live |= piece->kind == DMM_LIVE;
	c->bin = piece->bin;
}

static void group(struct picture *p)
{
	struct picture_chunk *open = NULL;
	bool has_body = false;

	for (size_t i = 0; i < p->piece_count; i++) {
		const enum role role = role_of(&p->pieces[i]);
		if (picture_begins_region(p, i) || role == ROLE_OUTSIDE)
			open = NULL;
		if (role == ROLE_OUTSIDE || (role == ROLE_CLOSES && open == NULL))
			continue;
		if (open == NULL || role == ROLE_OPENS || (role != ROLE_CLOSES && has_body)) {
			open = open_chunk(p, i);
			has_body = false;
		}
		add_piece(open, &p->pieces[i]);
		has_body |= role == ROLE_BODY;
		if (role == ROLE_CLOSES)
			open = NULL;
	}
}

/* A header that closes the heap has no body, and is no chunk. */
static void drop_empty(struct picture *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->chunk_count; i++)
		if (p->chunks[i].usable != 0)
			p->chunks[kept++] = p->chunks[i];
	p->chunk_count = kept;
}

/* The place of every free chunk in its list, where the system tells it. */
static void rank_bin(struct picture *p, struct heap *h, int32_t bin)
{
	const void *mem = heap_next_free(h, bin, NULL);

	for (uint32_t rank = 0; mem != NULL; rank++, mem = heap_next_free(h, bin, mem)) {
		struct picture_chunk *const c =
		    (struct picture_chunk *)(uintptr_t)picture_find(p, (uintptr_t)mem);
		CHECK(c != NULL && !c->live && rank < p->chunk_count);
		c->rank = rank;
	}
}

static void rank_all(struct picture *p, struct heap *h)
{
	for (size_t i = 0; i < p->chunk_count && h->sys->next_free != NULL; i++)
		if (!p->chunks[i].live && p->chunks[i].bin >= 0 &&
		    p->chunks[i].rank == PICTURE_UNLISTED)
			rank_bin(p, h, p->chunks[i].bin);
}

void picture_take(struct picture *p, struct heap *h)
{
	*p = (struct picture){.pieces = p->pieces, .piece_cap = p->piece_cap,
	    .chunks = p->chunks, .chunk_cap = p->chunk_cap};
	const int r = heap_walk(h, keep, p);
	CHECK(r == 0);
	group(p);
	drop_empty(p);
	rank_all(p, h);
}

void picture_drop(struct picture *p)
{
	free(p->pieces);
	free(p->chunks);
	*p = (struct picture){0};
}

const struct picture_chunk *picture_find(const struct picture *p, uintptr_t addr)
{
	size_t low = 0, high = p->chunk_count;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;
		const struct picture_chunk *const c = &p->chunks[mid];
		if (addr < c->addr)
			high = mid;
		else if (addr >= c->addr + c->len)
			low = mid + 1;
		else
			return c;
	}
	return NULL;
}

const struct picture_chunk *picture_next(const struct picture *p, const struct picture_chunk *c)
{
	return picture_find(p, c->addr + c->len);
}

const struct picture_chunk *picture_prev(const struct picture *p, const struct picture_chunk *c)
{
	return picture_find(p, c->addr - 1);
}
