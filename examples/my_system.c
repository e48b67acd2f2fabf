/* my_system.c - a memory manager of your own: take this file, and change the idea.
 *
 *   cc -O2 -shared -fPIC -fvisibility=hidden -Iinclude examples/my_system.c -o my.so \
 *      -Wl,-u,malloc -Lbuild -ldmm-any
 *
 *   LD_PRELOAD=$PWD/my.so python3 ...                run a program on it
 *   dmm torture --system=my=$PWD/my.so               hunt its bugs: do this first
 *   dmm compare --systems=gnu,my=$PWD/my.so -- CMD   see what it costs
 *
 * You bring one struct dmm_system (dmm_system.h says what each function promises).  libdmm-any.a
 * brings malloc, calloc, realloc, operator new, over-alignment, errno, one lock around every call,
 * and fork.  Two rules: nothing here may call malloc (printf does), and `st` is zeroed before open.
 *
 * The idea that stands here is the buddy system (Knowlton, 1965): every block is a power of two and
 * lies at a multiple of its size, so that a block and its other half, its buddy, find each other by
 * flipping one bit of the address.
 *
 *   region   0                    32k                  64k                                  128k
 *            | live 32k           | free 32k           | free 64k                            |
 *            |                    +-- buddies          |
 *            +--- the halves of 64k: this one merges with the free 64k once both are free ---+
 *
 *   block -> +-------+------+
 *            | order | live |   header, 16 bytes; the block has 2^order
 *   mem   -> +-------+------+
 *            | next | prev  |   ours while free, the program's while live
 *
 * Invariants, checked under these names:
 *   B1 order     MIN_ORDER <= order, and the block lies inside its region
 *   B2 aligned   a block's offset in its region is a multiple of its size
 *   B3 merged    no free block has a free buddy of its size
 *   B4 listed    list k holds as many blocks as free blocks of order k exist
 *
 * It cannot see a double free or a foreign pointer: they corrupt the heap.
 */
#include <errno.h>
#include <string.h>

#include "dmm_system.h"

#define HEADER ((size_t)16) /* keeps payloads 16-aligned */

enum {
	MIN_ORDER = 5,     /* 32 bytes: a header and two links */
	REGION_ORDER = 20, /* the smallest region is 1 MiB */
	ORDERS = 48,
	REGIONS = 64, /* each is as large as all before it: enough for any machine */
};

struct block {
	uint32_t order, live;
	uint64_t unused;
	struct block *next, *prev; /* only while free */
};

struct region {
	char *base;
	size_t len; /* a power of two */
};

struct heap {
	const struct dmm_os *os;
	struct block *free[ORDERS]; /* free[k]: blocks of 2^k bytes, last freed first */
	struct region regions[REGIONS]; /* in address order */
	size_t region_count, owned_bytes;
};

static struct block *block_of(const void *p)
{
	return (struct block *)((char *)(uintptr_t)p - HEADER);
}

static unsigned order_for(size_t bytes)
{
	const unsigned order = bytes <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(bytes - 1);
	return order < MIN_ORDER ? MIN_ORDER : order;
}

static void list_push(struct heap *h, struct block *b, unsigned order)
{
	struct block *const first = h->free[order];

	*b = (struct block){.order = order, .next = first};
	if (first != NULL)
		first->prev = b;
	h->free[order] = b;
}

static void list_remove(struct heap *h, struct block *b)
{
	if (b->next != NULL)
		b->next->prev = b->prev;
	if (b->prev != NULL)
		b->prev->next = b->next;
	else
		h->free[b->order] = b->next;
}

/* ---- regions: what we have from the operating system ----------------------------------------- */

static struct region *region_of(struct heap *h, const void *p)
{
	size_t i = h->region_count;
	while ((const char *)p < h->regions[i - 1].base)
		i--;
	return &h->regions[i - 1];
}

static void region_add(struct heap *h, char *base, size_t len)
{
	size_t i = h->region_count++;

	for (; i > 0 && h->regions[i - 1].base > base; i--)
		h->regions[i] = h->regions[i - 1];
	h->regions[i] = (struct region){base, len};
	h->owned_bytes += len;
}

static void region_give_back(struct heap *h, struct region *r)
{
	h->os->unmap(h->os->ctx, r->base, r->len);
	h->owned_bytes -= r->len;
	h->region_count--;
	memmove(r, r + 1, (size_t)(&h->regions[h->region_count] - r) * sizeof *r);
}

/* As much again as we have, so that there are few regions; where that is refused, less. */
static bool grow(struct heap *h, unsigned order)
{
	unsigned want = order_for(h->owned_bytes);

	if (h->region_count == REGIONS)
		return false;
	if (order < REGION_ORDER)
		order = REGION_ORDER;
	if (want < order)
		want = order;
	for (; want >= order; want--) {
		const size_t len = (size_t)1 << want;
		char *const base = h->os->map(h->os->ctx, len, h->os->page);
		if (base != NULL) {
			region_add(h, base, len);
			list_push(h, (struct block *)base, want);
			return true;
		}
	}
	return false;
}

/* ---- the system ------------------------------------------------------------------------------ */

static int my_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	(void)params;
	((struct heap *)st)->os = os;
	return 0;
}

static void my_close(void *st)
{
	struct heap *const h = st;
	while (h->region_count > 0)
		region_give_back(h, &h->regions[h->region_count - 1]);
}

/* Take the smallest block that is large enough, and halve it until it no longer is. */
static void *my_alloc(void *st, size_t n, size_t align)
{
	struct heap *const h = st;
	const unsigned order = order_for(n + HEADER);
	unsigned k = order;

	(void)align; /* never more than .align */
	if (order >= ORDERS)
		return NULL;
	while (k < ORDERS && h->free[k] == NULL)
		k++;
	if (k == ORDERS) {
		if (!grow(h, order))
			return NULL;
		for (k = order; h->free[k] == NULL; k++)
			;
	}
	struct block *const b = h->free[k];
	list_remove(h, b);
	while (k > order) {
		k--;
		list_push(h, (struct block *)((char *)b + ((size_t)1 << k)), k);
	}
	b->order = order;
	b->live = 1;
	return (char *)b + HEADER;
}

/* Merge with the buddy as long as it is free and whole. */
static void my_free(void *st, void *p)
{
	struct heap *const h = st;
	struct block *b = block_of(p);
	const struct region *const r = region_of(h, b);
	size_t size = (size_t)1 << b->order;

	for (; size < r->len; size *= 2) {
		const size_t offset = (size_t)((char *)b - r->base);
		struct block *const buddy = (struct block *)(r->base + (offset ^ size));
		if (buddy->live || (size_t)1 << buddy->order != size)
			break;
		list_remove(h, buddy);
		b = buddy < b ? buddy : b;
	}
	list_push(h, b, order_for(size));
}

/* Stay where it fits and no smaller block would do; otherwise the caller copies. */
static void *my_resize(void *st, void *p, size_t n)
{
	(void)st;
	return order_for(n + HEADER) == block_of(p)->order ? p : NULL;
}

static size_t my_usable(void *st, const void *p)
{
	(void)st;
	return ((size_t)1 << block_of(p)->order) - HEADER;
}

static int my_walk(void *st, dmm_visit *visit, void *arg)
{
	struct heap *const h = st;

	for (size_t i = 0; i < h->region_count; i++) {
		const struct region *const r = &h->regions[i];
		for (char *at = r->base; at < r->base + r->len;) {
			const struct block *const b = (struct block *)at;
			const size_t size = (size_t)1 << b->order;
			const int32_t bin = (int32_t)b->order;
			const enum dmm_kind kind = b->live ? DMM_LIVE : DMM_FREE;
			const struct dmm_piece header = {(uintptr_t)at, HEADER, DMM_META, "header",
			    bin};
			const struct dmm_piece payload = {(uintptr_t)at + HEADER, size - HEADER,
			    kind,
			    b->live ? "payload" : "free", bin};
			int stop = visit(arg, &header);
			if (stop == 0)
				stop = visit(arg, &payload);
			if (stop != 0)
				return stop;
			at += size;
		}
	}
	return 0;
}

static bool fault(struct dmm_fault *why, const char *rule, const void *at, uint64_t found,
    uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)at, found, wanted};
	return false;
}

static bool check_region(const struct region *r, size_t *free_count, struct dmm_fault *why)
{
	for (size_t at = 0, size; at < r->len; at += size) {
		const struct block *const b = (struct block *)(r->base + at);
		if (b->order < MIN_ORDER || b->order >= ORDERS ||
		    at + ((size_t)1 << b->order) > r->len)
			return fault(why, "B1 order", b, b->order, MIN_ORDER);
		size = (size_t)1 << b->order;
		if (at % size != 0)
			return fault(why, "B2 aligned", b, at % size, 0);
		if (b->live)
			continue;
		free_count[b->order]++;
		const struct block *const buddy = (struct block *)(r->base + (at ^ size));
		if (size < r->len && !buddy->live && buddy->order == b->order)
			return fault(why, "B3 merged", b, (uintptr_t)buddy, 0);
	}
	return true;
}

static bool my_check(void *st, struct dmm_fault *why)
{
	const struct heap *const h = st;
	size_t free_count[ORDERS] = {0};

	for (size_t i = 0; i < h->region_count; i++)
		if (!check_region(&h->regions[i], free_count, why))
			return false;
	for (unsigned k = 0; k < ORDERS; k++) {
		size_t listed = 0;
		for (const struct block *b = h->free[k]; b != NULL; b = b->next)
			if (b->live || b->order != k || ++listed > free_count[k])
				return fault(why, "B4 listed", b, listed, free_count[k]);
		if (listed != free_count[k])
			return fault(why, "B4 listed", &h->free[k], listed, free_count[k]);
	}
	return true;
}

/* Give back every region that is one free block, but for `keep` bytes of them. */
static size_t my_trim(void *st, size_t keep)
{
	struct heap *const h = st;
	size_t back = 0, kept = 0;

	for (size_t i = h->region_count; i-- > 0;) {
		struct region *const r = &h->regions[i];
		struct block *const b = (struct block *)r->base;
		if (b->live || (size_t)1 << b->order != r->len)
			continue;
		if (kept < keep) {
			kept += r->len;
			continue;
		}
		list_remove(h, b);
		back += r->len;
		region_give_back(h, r);
	}
	return back;
}

static const struct dmm_system my_system = {
    .abi = DMM_SYSTEM_ABI,
    .name = "my",
    .doc = "buddy system: powers of two that split in halves and merge again",
    .traits = DMM_FREES | DMM_COALESCES | DMM_INBAND | DMM_USES_MAP | DMM_RETURNS,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct heap),
    .open = my_open,
    .close = my_close,
    .alloc = my_alloc,
    .free = my_free,
    .resize = my_resize,
    .usable = my_usable,
    .walk = my_walk,
    .check = my_check,
    .trim = my_trim,
};

/* The one symbol that everybody looks for. */
__attribute__((visibility("default"))) const struct dmm_system *dmm_system_entry(void)
{
	return &my_system;
}
