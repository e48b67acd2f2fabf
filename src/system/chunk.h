/* chunk.h - boundary-tagged chunks in the heap section: what dlist, bins and gnu share.
 *
 *   reuse:none, as taught                      reuse:links and reuse:footer, compact
 *          +---------------+---------------+            +---------------+
 *  chunk-> | size     MWPL | next          |    chunk-> | size     MWPL |
 *  mem --> +---------------+---------------+    mem --> +---------------+---------------+
 *          | payload ...                   |            | payload, or next, prev ...    |
 *          +---------------+---------------+            |               +---------------+
 *  footer  | size          | prev          |            |       footer  | size          |
 *          +---------------+---------------+            +---------------+---------------+
 *  next -> | size     MWPL | next          |                    next -> | size     MWPL |
 *
 * size counts header, payload and footer.  mem is 16-aligned in both.  Compact, next and prev stand
 * in the payload of a free chunk; with reuse:footer a live chunk's payload extends over its footer.
 *
 * min_chunk:16 (reuse:footer only): a chunk of 16 bytes has 8 of payload.  While it is free, that
 * one word holds both links, each a distance from `first` in units of 16 bytes, and the mark, a 1
 * in the lowest bit:
 *
 *          +---------------+                bit 63   62 ..... 32   31 ...... 1      0
 *  chunk-> | 16       MWPL |                  +---+-------------+-------------+------+
 *  mem --> | links         |  the word:       | 0 |    prev     |    next     | mark |
 *  next -> | size     MWPL |                  +---+-------------+-------------+------+
 *
 * The next chunk finds it by that word: an even one is a footer, the size of a larger chunk; an odd
 * one says that the chunk before has 16 bytes.  It is unlinked in O(1), as any chunk of a doubly
 * linked list.  31 bits reach 32 GiB behind `first`: beyond that the smallest chunk is the usual
 * one.
 *
 *   L  live: not in a free list       P  the chunk before is live (kept with reuse:footer only)
 *   W  waiting to be merged: freed, but L until then (coalesce:deferred)
 *   M  not a chunk like others: a fence here, a mapping of its own in gnu
 *
 * The heap section begins and ends with a header that is L for ever.  The last one becomes the new
 * chunk's when the heap grows; when other code has moved the break, it becomes a fence over
 * their bytes, with a footer of its own behind them, so that neighbours never meet:
 *
 *  first                                                                               last
 *   |fence|footer| chunk | chunk |fence: size|ML  ... foreign bytes ...  footer| chunk |0|L
 *
 * Invariants, checked under these names by chunk_check():
 *   C1 aligned   size % 16 == 0, size >= the smallest chunk, and no chunk reaches beyond last
 *   C2 footer    where there is a footer, it equals the size
 *   C3 mirror    with reuse:footer, the next chunk's P equals our L
 *   C4 merged    no two neighbours have L = 0
 *   C5 listed    as many chunks with L = 0 in the heap as in the free lists
 *   C6 waiting   as many chunks with W in the heap as wait, and each is L
 *   C7 marked    a free chunk of 16 bytes has the mark
 */
#ifndef SYSTEM_CHUNK_H
#define SYSTEM_CHUNK_H

#include "base/bits.h"
#include "os/section.h"
#include "system/piece.h"
#include "system/policy/reuse.h"

enum chunk_bits { CHUNK_L = 1, CHUNK_P = 2, CHUNK_W = 4, CHUNK_M = 8, CHUNK_BITS = 15 };
enum { CHUNK_TINY = 16, CHUNK_MARK = 1 };

#define CHUNK_TINY_LINK  (((uint64_t)1 << 31) - 1)
#define CHUNK_TINY_REACH ((CHUNK_TINY_LINK + 1) * MAX_ALIGN) /* bytes behind `first` */

struct chunk {
	size_t head; /* size | bits */
	union {
		struct chunk *next; /* the header's second word, or the payload's first */
		uint64_t tiny_links; /* of a free chunk of 16 bytes: both, and the mark */
	};
	struct chunk *compact_prev; /* the payload's second word; reuse:none has it in the footer */
};

struct chunk_heap {
	struct section section;
	struct chunk *first, *last; /* NULL until the heap begins */
	enum dmm_reuse reuse;
	bool footer; /* live footers are guarded: policy/footer.h */
	size_t chunk_min;           /* bytes, the smallest chunk; 16 with min_chunk:16 */
	size_t split_min, grow_min; /* bytes */
};

static inline size_t chunk_size(const struct chunk *c)
{
	return c->head & ~(size_t)CHUNK_BITS;
}

static inline bool chunk_live(const struct chunk *c)
{
	return (c->head & CHUNK_L) != 0;
}

static inline struct chunk *chunk_after(const struct chunk *c)
{
	return ptr_add(c, chunk_size(c));
}

static inline void *chunk_payload(const struct chunk_heap *h, const struct chunk *c)
{
	return ptr_add(c, reuse_header(h->reuse));
}

static inline struct chunk *chunk_of(const struct chunk_heap *h, const void *p)
{
	return ptr_sub(p, reuse_header(h->reuse));
}

/* Bytes of payload. */
static inline size_t chunk_usable(const struct chunk_heap *h, const struct chunk *c)
{
	return chunk_size(c) - reuse_overhead(h->reuse);
}

/* The size of a chunk whose payload has n bytes, n <= DMM_SIZE_MAX. */
static inline size_t chunk_need(const struct chunk_heap *h, size_t n)
{
	return max_size(round_up(n + reuse_overhead(h->reuse), MAX_ALIGN), h->chunk_min);
}

/* The size of the smallest chunk that may stand at `at`. */
static inline size_t chunk_least(const struct chunk_heap *h, const void *at)
{
	return ptr_diff(at, h->first) < CHUNK_TINY_REACH ? h->chunk_min : reuse_chunk_min(h->reuse);
}

static inline size_t *chunk_footer(const struct chunk_heap *h, const struct chunk *c)
{
	return ptr_add(c, chunk_size(c) - (h->reuse == DMM_REUSE_NONE ? 16 : 8));
}

static inline struct chunk **chunk_prev_field(const struct chunk_heap *h, struct chunk *c)
{
	return h->reuse == DMM_REUSE_NONE ? ptr_add(c, chunk_size(c) - 8) : &c->compact_prev;
}

static inline struct chunk *chunk_tiny_link(const struct chunk_heap *h, const struct chunk *c,
    int shift)
{
	return ptr_add(h->first, (c->tiny_links >> shift & CHUNK_TINY_LINK) * MAX_ALIGN);
}

static inline void chunk_set_tiny_link(const struct chunk_heap *h, struct chunk *c, int shift,
    const struct chunk *to)
{
	const uint64_t units = ptr_diff(to, h->first) / MAX_ALIGN;
	c->tiny_links = (c->tiny_links & ~(CHUNK_TINY_LINK << shift)) | units << shift;
}

/* The links of a free chunk. */
static inline struct chunk *chunk_next(const struct chunk_heap *h, const struct chunk *c)
{
	return unlikely(chunk_size(c) == CHUNK_TINY) ? chunk_tiny_link(h, c, 1) : c->next;
}

static inline struct chunk *chunk_prev(const struct chunk_heap *h, struct chunk *c)
{
	return unlikely(chunk_size(c) == CHUNK_TINY) ? chunk_tiny_link(h, c, 32)
	    : *chunk_prev_field(h, c);
}

static inline void chunk_set_next(const struct chunk_heap *h, struct chunk *c, struct chunk *next)
{
	if (unlikely(chunk_size(c) == CHUNK_TINY))
		chunk_set_tiny_link(h, c, 1, next);
	else
		c->next = next;
}

static inline void chunk_set_prev(const struct chunk_heap *h, struct chunk *c, struct chunk *prev)
{
	if (unlikely(chunk_size(c) == CHUNK_TINY))
		chunk_set_tiny_link(h, c, 32, prev);
	else
		*chunk_prev_field(h, c) = prev;
}

/* The word from which the next chunk learns the size of the free chunk c: the footer, or the
 * mark. */
static inline void chunk_write_footer(const struct chunk_heap *h, struct chunk *c)
{
	*chunk_footer(h, c) = chunk_size(c) == CHUNK_TINY ? CHUNK_MARK : chunk_size(c);
}

/* Do ptr arith to find prev chunk's footer and fetch its (not redundant!) size, then its header. */
static inline struct chunk *chunk_before(const struct chunk_heap *h, const struct chunk *c)
{
	const size_t footer = *(const size_t *)ptr_sub(c, h->reuse == DMM_REUSE_NONE ? 16 : 8);
	return ptr_sub(c, (footer & CHUNK_MARK) != 0 ? CHUNK_TINY : footer);
}

/* May chunk_before() be read, and is it free? */
static inline bool chunk_before_free(const struct chunk_heap *h, const struct chunk *c)
{
	if (h->reuse == DMM_REUSE_FOOTER)
		return (c->head & CHUNK_P) == 0;
	return !chunk_live(chunk_before(h, c));
}

/* Set status: free.  The footer becomes readable to the next chunk. */
static inline void chunk_set_free(const struct chunk_heap *h, struct chunk *c)
{
	c->head &= ~(size_t)(CHUNK_L | CHUNK_W);
	chunk_write_footer(h, c);
	if (h->reuse == DMM_REUSE_FOOTER)
		chunk_after(c)->head &= ~(size_t)CHUNK_P;
}

/* Set status: in use. */
static inline void chunk_set_live(const struct chunk_heap *h, struct chunk *c)
{
	c->head |= CHUNK_L;
	if (h->reuse == DMM_REUSE_FOOTER)
		chunk_after(c)->head |= CHUNK_P;
}

/* Give c another size; its status stays. The caller takes care of the bytes after it. */
static inline void chunk_set_size(const struct chunk_heap *h, struct chunk *c, size_t size)
{
	c->head = size | (c->head & CHUNK_BITS);
	if (h->reuse != DMM_REUSE_FOOTER || !chunk_live(c))
		chunk_write_footer(h, c);
}

/* 0 or -errno: -ENOSYS where there is no heap section, -EINVAL for an impossible set. */
int chunk_open(struct chunk_heap *h, const struct dmm_params *params, const struct dmm_os *os);
void chunk_close(struct chunk_heap *h);

/* A new free chunk of `least` bytes, or of the smallest chunk's, at the end of the heap, not yet in
 * a list nor merged.  NULL: no memory. */
struct chunk *chunk_grow(struct chunk_heap *h, size_t least);

/* By how many bytes the heap must grow so that a chunk of `need` bytes fits at its end: what is
 * free there counts, as the new chunk will be merged with it. */
size_t chunk_lacks(const struct chunk_heap *h, size_t need);

/* Cut the free chunk c, the last one, down to `keep` bytes or a little more, and give the rest
 * back.  Bytes given back; c stands smaller. */
size_t chunk_trim(struct chunk_heap *h, struct chunk *c, size_t keep);

/* Cut c down to `need` bytes and return the tail, which is free and in no list. */
struct chunk *chunk_split(const struct chunk_heap *h, struct chunk *c, size_t need);

/* One free chunk of c and its free successor; neither is in a list. */
struct chunk *chunk_coalesce(const struct chunk_heap *h, struct chunk *c, struct chunk *next);

/* Ends the program unless p is the payload of a live chunk, as far as its header can tell. */
struct chunk *chunk_to_free(const struct chunk_heap *h, void *p);

/* Which bin is a free chunk in? */
typedef int32_t chunk_bin(const void *arg, const struct chunk *c);

/* Show what is inside the payload of the live chunk c.  False: it is the program's as a whole. */
typedef bool chunk_inside(const void *arg, const struct chunk *c, dmm_visit *visit, void *visit_arg,
    int *r);

int chunk_walk(const struct chunk_heap *h, chunk_bin *bin, chunk_inside *inside, const void *bins,
    dmm_visit *visit, void *arg);

/* listed: chunks in all free lists; waiting: in all lists of waiting ones. */
bool chunk_check(const struct chunk_heap *h, size_t listed, size_t waiting, struct dmm_fault *why);

/* Is the list's c a chunk that may stand in a free list?  Reads nothing outside the heap. */
bool chunk_check_listed(const struct chunk_heap *h, const struct chunk *c, struct dmm_fault *why);

#endif
