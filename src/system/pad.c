/* pad.c - DMM system 2: brk ahead, and hand out from the pad at the heap's end.
 *
 *   start                              pPad                pBrk
 *     | size | payload | size | payload | pad ............... |
 *
 *   malloc(n)   are there at least n bytes between pPad and pBrk?
 *               no: call brk() to allocate more than enough, set pBrk to the new break
 *               save pPad as p, add n to pPad, return p
 *   free(p)     do nothing!
 *
 * Invariants: H1 aligned, H2 bounded, H3 last (chain.h), and
 *   P1 pad      start <= pPad < pBrk, and room for one header between them
 *
 * Beside the slide: a payload is aligned to 16 bytes, and a 16-byte header keeps its size, because
 * realloc must know how much to copy.  A pad that another call of sbrk cut off is lost.
 * Cannot see: a double free, a foreign pointer, an overrun; free looks at nothing.
 */
#include "system/systems.h"

#include "system/chain.h"

enum { MIN_ALLOC = 8192 }; /* bytes, the least growth: the slide's constant */

struct pad {
	struct chain heap; /* heap.last is pPad, heap.section.end is pBrk */
	size_t min_alloc;
};

static int pad_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct pad *const s = st;
	s->min_alloc = round_up(params->grow_min, MAX_ALIGN);
	return chain_open(&s->heap, os);
}

static void pad_close(void *st)
{
	struct pad *const s = st;
	chain_close(&s->heap);
}

/* pNewBrk = max(pPad + n, pBrk + MIN_ALLOC), and at the start pPad = pBrk = sbrk(0). */
static bool move_brk(struct pad *s, size_t n)
{
	const size_t have = ptr_diff(s->heap.section.end, s->heap.last);
	const size_t more = max_size(n - have, s->min_alloc);
	const size_t afresh = max_size(n, s->min_alloc); /* when this pad cannot be continued */

	return chain_extend(&s->heap, more, afresh - more) != NULL;
}

static void *pad_alloc(void *st, size_t n, size_t align)
{
	struct pad *const s = st;
	const size_t size = chain_need(n);
	(void)align;

	if (size + CHAIN_HEADER > ptr_diff(s->heap.section.end, s->heap.last)) /* pPad + n > pBrk */
		if (!move_brk(s, size + CHAIN_HEADER))
			return NULL;
	struct header *const p = chain_take(&s->heap, size); /* p = pPad; pPad += n */
	return chain_payload(p);
}

static void pad_free(void *st, void *p)
{
	(void)st, (void)p; /* do nothing! */
}

/* Nobody else can use what a smaller chunk would leave: it stays where it is. */
static void *pad_resize(void *st, void *p, size_t n)
{
	(void)st;
	return n <= chain_usable(p) ? p : NULL;
}

static size_t pad_usable(void *st, const void *p)
{
	(void)st;
	return chain_usable(p);
}

static int pad_walk(void *st, dmm_visit *visit, void *arg)
{
	const struct pad *const s = st;
	const struct header *h = s->heap.first;

	for (; h != s->heap.last; h = chain_after(h)) {
		const int r = chain_visit(h, DMM_LIVE, "payload", visit, arg);
		if (r != 0)
			return r;
	}
	return piece(visit, arg, h, ptr_diff(s->heap.section.end, h), DMM_FREE, "pad", -1);
}

static bool pad_check(void *st, struct dmm_fault *why)
{
	const struct pad *const s = st;
	const char *const p_pad = (char *)s->heap.last, *const p_brk = s->heap.section.end;

	if (p_pad != NULL && (p_pad < s->heap.section.start || p_pad + CHAIN_HEADER > p_brk))
		return fault(why, "P1 pad", p_pad, (uintptr_t)p_pad, (uintptr_t)p_brk);
	return chain_check(&s->heap, why);
}

const struct dmm_system system_pad = {
    .abi = DMM_SYSTEM_ABI,
    .name = "pad",
    .doc = "brk ahead by at least 8192 bytes, and hand out from that pad",
    .traits = DMM_INBAND | DMM_USES_BRK,
    .options = DMM_OPT_GROW_MIN,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct pad),
    .defaults = {.grow_min = MIN_ALLOC},
    .open = pad_open,
    .close = pad_close,
    .alloc = pad_alloc,
    .free = pad_free,
    .resize = pad_resize,
    .usable = pad_usable,
    .walk = pad_walk,
    .check = pad_check,
};
