/* list.c - DMM system 3: a free list in order of memory address, first fit.
 *
 *            +--------+--------+
 *    chunk-> | size   | next   |  header: the chunk's size and, if free, the next chunk of the list
 *    mem --> +--------+--------+
 *            | payload ...     |  used by the client
 *            +-----------------+
 *
 *    free list --+                 +--------------------+
 *                v                 |                    v
 *     | in use | free, next: ------+ | in use | in use | free, next: NULL | in use |
 *
 * Invariants, checked under these names: H1 aligned, H2 bounded, H3 last (chain.h), and
 *   L1 order     the list ascends by address, inside the heap
 *   L2 merged    no free chunk ends where the next free chunk begins
 *   L3 listed    every chunk of the list is a chunk of the heap
 *
 * malloc and free are O(n) in the length of the list.
 * Beside the slide: a payload is aligned to 16 bytes.  A free chunk gets no status bit; still a
 * double free is seen, because its spot in the ordered list is taken.
 * Cannot see: a double free after the memory went to another caller, an overrun, a pointer into
 * the middle of a payload whose bytes look like a header.
 */
#include "system/systems.h"

#include "system/chain.h"
#include "system/misuse.h"

enum { GROW_MIN = 8192 }; /* bytes, the least growth: as the pad before it */

struct list_heap {
	struct chain heap;
	struct header free_list; /* .next is the first free chunk; its size is 0 */
	size_t grow_min;
};

static int list_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct list_heap *const l = st;
	l->grow_min = round_up(params->grow_min, MAX_ALIGN);
	return chain_open(&l->heap, os);
}

static void list_close(void *st)
{
	struct list_heap *const l = st;
	chain_close(&l->heap);
}

/* Too big: the remainder can form a chunk.  Otherwise the chunk is of reasonable size. */
static bool too_big(const struct header *c, size_t size)
{
	return c->size - size >= CHAIN_MIN;
}

/* Search list for big-enough chunk.  The chunk before it in the list, or the last one if none
 * is. */
static struct header *search(struct list_heap *l, size_t size)
{
	struct header *prev = &l->free_list;

	while (prev->next != NULL && prev->next->size < size)
		prev = prev->next;
	return prev;
}

/* Next in memory == next in list: remove both chunks from list, coalesce, insert chunk into list.
 * In an ordered list that is the larger chunk in the place of the first. */
static void coalesce_with_next(struct header *c)
{
	if (chain_after(c) == c->next) {
		c->size += c->next->size;
		c->next = c->next->next;
	}
}

static void insert_after(struct header *prev, struct header *c)
{
	c->next = prev->next;
	prev->next = c;
}

/* None found: increase heap size, insert new chunk at end of list, look at prev chunk in list. */
static bool grow(struct list_heap *l, struct header *end_of_list, size_t size)
{
	struct header *const c = chain_grow(&l->heap, max_size(size, l->grow_min));

	if (c == NULL)
		return false;
	insert_after(end_of_list, c);
	coalesce_with_next(end_of_list);
	return true;
}

/* Split c, which keeps its place in the list: need not change links.  The tail end. */
static struct header *split_tail(struct header *c, size_t size)
{
	c->size -= size;
	struct header *const tail = chain_after(c);
	*tail = (struct header){.size = size};
	return tail;
}

static void *list_alloc(void *st, size_t n, size_t align)
{
	struct list_heap *const l = st;
	const size_t size = chain_need(n);
	(void)align;

	struct header *prev = search(l, size);
	if (prev->next == NULL) { /* none found */
		if (!grow(l, prev, size))
			return NULL;
		prev = search(l, size); /* then proceed to use the new chunk, as before */
	}
	struct header *c = prev->next;
	if (too_big(c, size))
		c = split_tail(c, size); /* found and too big: split, use the tail end */
	else
		prev->next = c->next; /* found and reasonable size: remove from list */
	return chain_payload(c);
}

/* The chunk after which c stands in the list, or would. */
static struct header *insertion_spot(struct list_heap *l, const struct header *c)
{
	struct header *prev = &l->free_list;

	while (prev->next != NULL && prev->next < c)
		prev = prev->next;
	return prev;
}

static void list_free(void *st, void *p)
{
	struct list_heap *const l = st;
	struct header *const c = chain_chunk(p);

	struct header *const prev = insertion_spot(l, c);
	if (prev->next == c || (prev != &l->free_list && chain_after(prev) > c))
		misuse_double_free(p, chain_usable(p));
	if (!chain_plausible(&l->heap, p))
		misuse_invalid_free(p);

	insert_after(prev, c);
	coalesce_with_next(c);    /* next chunk in memory also free */
	coalesce_with_next(prev); /* prev chunk in memory free */
}

/* The chunk after c in memory, if it is free and both are at least `size` bytes; at the heap's top
 * that may be a new one. NULL: there is none. *prev: the chunk before it in the list. */
static struct header *next_to_take(struct list_heap *l, const struct header *c, size_t size,
    struct header **prev)
{
	struct header *const spot = *prev = insertion_spot(l, c);
	struct header *const next = spot->next != NULL && spot->next == chain_after(c) ? spot->next
	    : NULL;
	const size_t have = c->size + (next != NULL ? next->size : 0);

	if (have >= size)
		return next;
	if (ptr_add(c, have) != (void *)l->heap.last ||
	    !grow(l, next != NULL ? next : spot, size - have))
		return NULL;
	struct header *const grown = spot->next; /* elsewhere, if other code moved the break */
	return grown == chain_after(c) && c->size + grown->size >= size ? grown : NULL;
}

/* In place: take the chunk after c if it is free and large enough, and give the surplus back. */
static void *list_resize(void *st, void *p, size_t n)
{
	struct list_heap *const l = st;
	struct header *const c = chain_chunk(p);
	const size_t size = chain_need(n);

	if (c->size < size) {
		struct header *prev, *const next = next_to_take(l, c, size, &prev);
		if (next == NULL)
			return NULL;
		prev->next = next->next;
		c->size += next->size;
	}
	if (too_big(c, size))
		list_free(l, chain_payload(split_tail(c, c->size - size)));
	return p;
}

static size_t list_usable(void *st, const void *p)
{
	(void)st;
	return chain_usable(p);
}

/* The list is in address order, as the heap is: one finger in each. */
static int list_walk(void *st, dmm_visit *visit, void *arg)
{
	const struct list_heap *const l = st;
	const struct header *free_chunk = l->free_list.next;

	for (const struct header *h = l->heap.first; h != l->heap.last; h = chain_after(h)) {
		const bool is_free = h == free_chunk;
		const int r = chain_visit(h, is_free ? DMM_FREE : DMM_LIVE,
		    is_free ? "free" : "payload", visit, arg);
		if (r != 0)
			return r;
		if (is_free)
			free_chunk = free_chunk->next;
	}
	return chain_visit_last(&l->heap, visit, arg);
}

static bool check_list(const struct list_heap *l, struct dmm_fault *why)
{
	const struct header *const first = l->heap.first, *const last = l->heap.last;
	const struct header *before = NULL;

	for (const struct header *c = l->free_list.next; c != NULL; c = c->next) {
		if (c < first || c >= last || c <= before)
			return fault(why, "L1 order", c, (uintptr_t)c, (uintptr_t)before);
		if (before != NULL && chain_after(before) == c)
			return fault(why, "L2 merged", c, before->size, c->size);
		before = c;
	}
	return true;
}

static bool list_check(void *st, struct dmm_fault *why)
{
	const struct list_heap *const l = st;
	const struct header *free_chunk = l->free_list.next;

	if (!chain_check(&l->heap, why) || !check_list(l, why))
		return false;
	for (const struct header *h = l->heap.first; h != l->heap.last; h = chain_after(h))
		if (h == free_chunk)
			free_chunk = free_chunk->next;
	if (free_chunk != NULL)
		return fault(why, "L3 listed", free_chunk, (uintptr_t)free_chunk, 0);
	return true;
}

static void *list_next_free(void *st, int32_t bin, const void *after)
{
	const struct list_heap *const l = st;
	const struct header *const c = after == NULL ? &l->free_list : chain_chunk(after);
	return bin == 0 && c->next != NULL ? chain_payload(c->next) : NULL;
}

const struct dmm_system system_list = {
    .abi = DMM_SYSTEM_ABI,
    .name = "list",
    .doc = "one free list in address order, first fit, split at the tail",
    .traits = DMM_FREES | DMM_COALESCES | DMM_INBAND | DMM_USES_BRK | DMM_SEES_DOUBLE_FREE |
        DMM_SEES_FOREIGN,
    .options = DMM_OPT_GROW_MIN,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct list_heap),
    .defaults = {.grow_min = GROW_MIN},
    .open = list_open,
    .close = list_close,
    .alloc = list_alloc,
    .free = list_free,
    .resize = list_resize,
    .usable = list_usable,
    .walk = list_walk,
    .check = list_check,
    .next_free = list_next_free,
};
