/* chunk.c - growing, cutting, merging, walking and checking boundary-tagged chunks. */
#include "system/chunk.h"

#include <errno.h>

#include "base/assert.h"
#include "system/misuse.h"
#include "system/policy/footer.h"

int chunk_open(struct chunk_heap *h, const struct dmm_params *params, const struct dmm_os *os)
{
	if (os->brk_get == NULL)
		return -ENOSYS;
	if (params->footer && params->reuse == DMM_REUSE_FOOTER)
		return -EINVAL; /* there would be no live footer to check */
	if (params->min_chunk != 0 && params->reuse != DMM_REUSE_FOOTER)
		return -EINVAL; /* 16 bytes have no room for a header and a live footer */
	*h = (struct chunk_heap){
	    .section = {.os = os},
	    .reuse = params->reuse,
	    .footer = params->footer,
	    .chunk_min = params->min_chunk != 0 ? params->min_chunk
	    : reuse_chunk_min(params->reuse),
	    .split_min = params->split_min,
	    .grow_min = round_up(params->grow_min, MAX_ALIGN),
	};
	return 0;
}

void chunk_close(struct chunk_heap *h)
{
	section_close(&h->section);
	h->first = h->last = NULL;
}

/* The heap begins or goes on at p, which does not continue it. Put a fence over the hole, from our
 * last header up to p. Returns the place of the chunk after it. */
static struct chunk *fence(struct chunk_heap *h, void *p)
{
	const size_t header = reuse_header(h->reuse);
	struct chunk *f = h->last, *c = ptr_add(p, header);

	if (h->first == NULL) {
		h->first = f = ptr_add(p, MAX_ALIGN - header);
		f->head = CHUNK_P;
		c = ptr_add(f, 2 * header);
	}
	f->head = ptr_diff(c, f) | CHUNK_L | CHUNK_M | (f->head & CHUNK_P);
	*chunk_footer(h, f) = chunk_size(f);
	c->head = CHUNK_P;
	return c;
}

struct chunk *chunk_grow(struct chunk_heap *h, size_t least)
{
	/* it is in a list for a moment, if no longer */
	const size_t size = max_size(least, reuse_chunk_min(h->reuse));
	const size_t header = reuse_header(h->reuse);
	char *const old_end = h->section.end;
	const size_t extra = 2 * header + (h->first == NULL ? MAX_ALIGN : 0);

	void *const p = section_grow(&h->section, size, extra);
	if (p == NULL)
		return NULL;
	struct chunk *const c = p == old_end ? h->last : fence(h, p);
	h->last = ptr_sub(h->section.end, header);
	h->last->head = CHUNK_L;
	c->head = size | (c->head & CHUNK_P);
	CHECK(chunk_after(c) == h->last);
	chunk_set_free(h, c);
	return c;
}

size_t chunk_lacks(const struct chunk_heap *h, size_t need)
{
	if (h->last == NULL)
		return need;
	footer_verify_before(h, h->last);
	if (!chunk_before_free(h, h->last))
		return need;
	const size_t top = chunk_size(chunk_before(h, h->last));
	return top < need ? need - top : 0;
}

size_t chunk_trim(struct chunk_heap *h, struct chunk *c, size_t keep)
{
	const size_t least = max_size(keep, reuse_chunk_min(h->reuse));
	const size_t size = chunk_size(c);
	CHECK(chunk_after(c) == h->last && !chunk_live(c));

	if (size <= least)
		return 0;
	const size_t cut = round_down(size - least, h->section.os->page);
	if (cut == 0 || !section_shrink(&h->section, cut))
		return 0;
	h->last = ptr_sub(h->section.end, reuse_header(h->reuse));
	h->last->head = CHUNK_L;
	chunk_set_size(h, c, size - cut);
	return cut;
}

struct chunk *chunk_split(const struct chunk_heap *h, struct chunk *c, size_t need)
{
	const size_t rest = chunk_size(c) - need;
	CHECK(need >= h->chunk_min && rest >= h->chunk_min);

	chunk_set_size(h, c, need);
	struct chunk *const tail = chunk_after(c);
	tail->head = rest | (chunk_live(c) ? CHUNK_P : 0);
	chunk_set_free(h, tail);
	return tail;
}

struct chunk *chunk_coalesce(const struct chunk_heap *h, struct chunk *c, struct chunk *next)
{
	chunk_set_size(h, c, chunk_size(c) + chunk_size(next));
	return c;
}

static bool plausible(const struct chunk_heap *h, const struct chunk *c)
{
	if (c < h->first || c >= h->last || !is_aligned(chunk_payload(h, c), MAX_ALIGN))
		return false; /* nothing there may be read as a chunk */
	const size_t size = chunk_size(c);
	return size >= h->chunk_min && size <= ptr_diff(h->last, c) &&
	    (c->head & CHUNK_M) == 0;
}

struct chunk *chunk_to_free(const struct chunk_heap *h, void *p)
{
	struct chunk *const c = chunk_of(h, p);

	if (!plausible(h, c))
		misuse_invalid_free(p);
	if ((c->head & (CHUNK_L | CHUNK_W)) != CHUNK_L)
		misuse_double_free(p, chunk_usable(h, c));
	footer_verify(h, c);
	return c;
}

/* ---- looking inside */

static int walk_fence(const struct chunk_heap *h, const struct chunk *c, dmm_visit *visit,
    void *arg)
{
	const size_t header = reuse_header(h->reuse);
	const int r = piece(visit, arg, c, header, DMM_META, "fence", -1);
	return r != 0 ? r : piece(visit, arg, ptr_sub(chunk_after(c), header), header, DMM_META,
	    "fence", -1);
}

/* A free chunk whose links, and with reuse:footer its footer, stand in what will be payload.  In a
 * tiny one they are one word. */
static int walk_reused(const struct chunk_heap *h, const struct chunk *c, int32_t bin,
    dmm_visit *visit, void *arg)
{
	const size_t usable = chunk_usable(h, c), links = min_size(2 * sizeof(struct chunk *),
	    usable);
	const size_t footer = h->reuse == DMM_REUSE_FOOTER && usable > links ? sizeof(size_t) : 0;
	char *const mem = chunk_payload(h, c);
	int r;

	if ((r = piece(visit, arg, mem, links, DMM_FREE, "links", bin)) != 0 ||
	    (r = piece(visit, arg, mem + links, usable - links - footer, DMM_FREE, "free",
	    bin)) != 0)
		return r;
	return piece(visit, arg, mem + usable - footer, footer, DMM_FREE, "footer", bin);
}

static int walk_chunk(const struct chunk_heap *h, const struct chunk *c, int32_t bin,
    chunk_inside *inside,
    const void *bins, dmm_visit *visit, void *arg)
{
	const bool waiting = (c->head & CHUNK_W) != 0, free_chunk = !chunk_live(c) || waiting;
	const char *const what = !free_chunk ? "payload" : waiting ? "waiting" : "free";
	const size_t header = reuse_header(h->reuse), usable = chunk_usable(h, c);
	int r = piece(visit, arg, c, header, DMM_META, "header", -1);

	if (r == 0 && free_chunk && !waiting && h->reuse != DMM_REUSE_NONE)
		r = walk_reused(h, c, bin, visit, arg);
	else if (r == 0 && (free_chunk || inside == NULL || !inside(bins, c, visit, arg, &r)))
		r = piece(visit, arg, chunk_payload(h, c), usable, free_chunk ? DMM_FREE : DMM_LIVE,
		    what,
		    free_chunk ? bin : -1);
	return r != 0 ? r : piece(visit, arg, ptr_add(c, header + usable), reuse_footer(h->reuse),
	    DMM_META, "footer", -1);
}

int chunk_walk(const struct chunk_heap *h, chunk_bin *bin, chunk_inside *inside, const void *bins,
    dmm_visit *visit, void *arg)
{
	int r = 0;

	if (h->first == NULL)
		return 0;
	r = piece(visit, arg, h->section.start, ptr_diff(h->first, h->section.start), DMM_PAD,
	    "alignment", -1);
	for (const struct chunk *c = h->first; c != h->last && r == 0; c = chunk_after(c))
		r = c->head & CHUNK_M ? walk_fence(h, c, visit, arg)
		                      : walk_chunk(h, c, bin(bins, c), inside, bins, visit, arg);
	return r != 0 ? r : piece(visit, arg, h->last, reuse_header(h->reuse), DMM_META, "header",
	    -1);
}

/* One chunk, not a fence, whose size is right. */
static bool check_chunk(const struct chunk_heap *h, const struct chunk *c, struct dmm_fault *why)
{
	const struct chunk *const next = chunk_after(c);
	const bool has_footer = h->reuse != DMM_REUSE_FOOTER || !chunk_live(c);

	if (chunk_size(c) == CHUNK_TINY) {
		if (!chunk_live(c) && (c->tiny_links & CHUNK_MARK) == 0)
			return fault(why, "C7 marked", c, c->tiny_links, CHUNK_MARK);
	} else if (has_footer && *chunk_footer(h, c) != chunk_size(c))
		return fault(why, "C2 footer", c, *chunk_footer(h, c), chunk_size(c));
	if (chunk_live(c) && (c->head & CHUNK_W) == 0 && footer_overrun(h, c) != 0)
		return fault(why, "C2 footer", c, footer_overrun(h, c), 0);
	if (h->reuse == DMM_REUSE_FOOTER && ((next->head & CHUNK_P) != 0) != chunk_live(c))
		return fault(why, "C3 mirror", c, next->head & CHUNK_BITS, c->head & CHUNK_BITS);
	if (!chunk_live(c) && !chunk_live(next))
		return fault(why, "C4 merged", c, chunk_size(c), chunk_size(next));
	if ((c->head & (CHUNK_L | CHUNK_W)) == CHUNK_W)
		return fault(why, "C6 waiting", c, c->head & CHUNK_BITS, CHUNK_L | CHUNK_W);
	return true;
}

bool chunk_check(const struct chunk_heap *h, size_t listed, size_t waiting, struct dmm_fault *why)
{
	size_t free_chunks = 0, waiting_chunks = 0;

	for (const struct chunk *c = h->first; c != h->last; c = chunk_after(c)) {
		const size_t size = chunk_size(c);
		if (c->head & CHUNK_M) {
			if (size < 2 * reuse_header(h->reuse) || size > ptr_diff(h->last, c))
				return fault(why, "C1 aligned", c, size, ptr_diff(h->last, c));
			continue;
		}
		if (size < chunk_least(h, c) || size > ptr_diff(h->last, c))
			return fault(why, "C1 aligned", c, size, ptr_diff(h->last, c));
		if (!check_chunk(h, c, why))
			return false;
		free_chunks += !chunk_live(c);
		waiting_chunks += (c->head & CHUNK_W) != 0;
	}
	if (free_chunks != listed)
		return fault(why, "C5 listed", h->first, listed, free_chunks);
	if (waiting_chunks != waiting)
		return fault(why, "C6 waiting", h->first, waiting, waiting_chunks);
	return true;
}

bool chunk_check_listed(const struct chunk_heap *h, const struct chunk *c, struct dmm_fault *why)
{
	if (!plausible(h, c))
		return fault(why, "C5 listed", c, (uintptr_t)c, (uintptr_t)h->first);
	if (chunk_live(c))
		return fault(why, "C5 listed", c, c->head & CHUNK_BITS, 0);
	return true;
}
