/* chain.h - chunks with a header in front, end to end through the heap section: minimal, pad, list.
 *
 *          +--------+--------+
 *  chunk-> | size   | next   |  header, 16 bytes; size counts header and payload
 *  mem --> +--------+--------+  16-aligned
 *          | payload ...     |  the program's
 *          +-----------------+
 *          | size   | next   |  the next chunk's header: chunk + size
 *
 * Behind the last chunk there is always a header without a chunk ("last").  When the heap grows it
 * becomes the new chunk's; and when other code has moved the break it becomes a fence over their
 * bytes:
 *
 *  first                                                                       last
 *    | chunk | chunk | fence: size|FOREIGN, next | rest | foreign .... | chunk | 0 |
 *                                                       ^ fence.next   ^ fence + size
 *
 * Invariants, checked under these names by chain_check():
 *   H1 aligned    size % 16 == 0 and size >= CHAIN_MIN
 *   H2 bounded    no chunk reaches beyond last
 *   H3 last       the chunks end exactly at last, whose size is 0
 */
#ifndef SYSTEM_CHAIN_H
#define SYSTEM_CHAIN_H

#include "base/bits.h"
#include "os/section.h"
#include "system/piece.h"

enum { CHAIN_HEADER = 16, CHAIN_MIN = 2 * CHAIN_HEADER, CHAIN_FOREIGN = 1 };

struct header {
	size_t size; /* bytes; | CHAIN_FOREIGN in a fence */
	struct header *next;
};

struct chain {
	struct section section;
	struct header *first, *last; /* NULL until the heap begins */
};

static inline size_t chain_size(const struct header *h)
{
	return h->size & ~(size_t)CHAIN_FOREIGN;
}

static inline bool chain_is_fence(const struct header *h)
{
	return (h->size & CHAIN_FOREIGN) != 0;
}

/* The chunk behind h in memory. */
static inline struct header *chain_after(const struct header *h)
{
	return ptr_add(h, chain_size(h));
}

static inline void *chain_payload(const struct header *h)
{
	return ptr_add(h, CHAIN_HEADER);
}

static inline struct header *chain_chunk(const void *p)
{
	return ptr_sub(p, CHAIN_HEADER);
}

static inline size_t chain_usable(const void *p)
{
	return chain_chunk(p)->size - CHAIN_HEADER;
}

/* The size of a chunk whose payload has n bytes, n <= DMM_SIZE_MAX. */
static inline size_t chain_need(size_t n)
{
	return CHAIN_HEADER + round_up(n == 0 ? 1 : n, MAX_ALIGN);
}

/* 0, or -ENOSYS where there is no heap section. */
int chain_open(struct chain *c, const struct dmm_os *os);
void chain_close(struct chain *c);

/* n more bytes after `last`, and `extra` more if a hole makes the section begin anew. Returns the
 * place of the first byte, or NULL: no memory, nothing changed. */
struct header *chain_extend(struct chain *c, size_t n, size_t extra);

/* Make a chunk of `size` bytes at `last`; after it there is room for the next header. */
struct header *chain_take(struct chain *c, size_t size);

/* Both at once: a new chunk at the end of the heap.  NULL: no memory. */
struct header *chain_grow(struct chain *c, size_t size);

/* Could p be the payload of a chunk here?  Reads nothing outside the heap; an address inside a
 * payload passes if what lies there looks like a header. */
bool chain_plausible(const struct chain *c, const void *p);

/* Show one chunk (or fence) and what it holds. */
int chain_visit(const struct header *h, enum dmm_kind kind, const char *what, dmm_visit *visit,
    void *arg);
int chain_visit_last(const struct chain *c, dmm_visit *visit, void *arg);
bool chain_check(const struct chain *c, struct dmm_fault *why);

#endif
