/* minimal.c - DMM system 1: one brk per malloc, and free does nothing.
 *
 *   start                                              pBrk
 *     | size | payload | size | payload | size | payload |   (one spare header is kept below it)
 *
 *   malloc(n)   call brk(p + n) to increase the heap's size, change pBrk, return p
 *   free(p)     do nothing!
 *
 * Invariants: H1 aligned, H2 bounded, H3 last (chain.h).
 *
 * Beside the slide: a payload is aligned to 16 bytes, and a 16-byte header keeps its size, because
 * realloc must know how much to copy.
 * Cannot see: a double free, a foreign pointer, an overrun; free looks at nothing.
 */
#include "system/systems.h"

#include "system/chain.h"

struct minimal {
	struct chain heap; /* heap.section.end is pBrk */
};

static int minimal_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct minimal *const m = st;
	(void)params;
	return chain_open(&m->heap, os);
}

static void minimal_close(void *st)
{
	struct minimal *const m = st;
	chain_close(&m->heap);
}

static void *minimal_alloc(void *st, size_t n, size_t align)
{
	struct minimal *const m = st;
	(void)align;

	struct header *const p = chain_grow(&m->heap, chain_need(n)); /* brk(p + n), change pBrk */
	if (p == NULL)
		return NULL;
	return chain_payload(p);
}

static void minimal_free(void *st, void *p)
{
	(void)st, (void)p; /* do nothing! */
}

/* Nobody else can use what a smaller chunk would leave: it stays where it is. */
static void *minimal_resize(void *st, void *p, size_t n)
{
	(void)st;
	return n <= chain_usable(p) ? p : NULL;
}

static size_t minimal_usable(void *st, const void *p)
{
	(void)st;
	return chain_usable(p);
}

static int minimal_walk(void *st, dmm_visit *visit, void *arg)
{
	const struct minimal *const m = st;
	int r = 0;

	for (const struct header *h = m->heap.first; h != m->heap.last && r == 0;
	    h = chain_after(h))
		r = chain_visit(h, DMM_LIVE, "payload", visit, arg);
	return r != 0 ? r : chain_visit_last(&m->heap, visit, arg);
}

static bool minimal_check(void *st, struct dmm_fault *why)
{
	const struct minimal *const m = st;
	return chain_check(&m->heap, why);
}

const struct dmm_system system_minimal = {
    .abi = DMM_SYSTEM_ABI,
    .name = "minimal",
    .doc = "one brk per malloc, and free does nothing",
    .traits = DMM_INBAND | DMM_USES_BRK,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct minimal),
    .open = minimal_open,
    .close = minimal_close,
    .alloc = minimal_alloc,
    .free = minimal_free,
    .resize = minimal_resize,
    .usable = minimal_usable,
    .walk = minimal_walk,
    .check = minimal_check,
};
