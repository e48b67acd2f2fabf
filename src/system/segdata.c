/* segdata.c - the appendix's segregated data: every virtual memory page holds one size only.
 *
 *   segment, 256 KiB, aligned to 256 KiB
 *    +-------------------+------------+------------+------------+------------------------+------+
 *    | class of each page| 32 32 32 ..| 128 128 .. | 32 32 ..   | 3 pages for one object |unused|
 *    +-------------------+------------+------------+------------+------------------------+------+
 *   bin[0] ---> 32 ---> 32 ---> 32     bin[2] ---> 128 ---> 128     links only in free slots
 *
 *   malloc(n)   take the first slot of the bin of n's class; an empty bin gets a fresh page.  What
 *               is larger than a page takes whole pages.  Never splits!
 *   free(p)     examine address, infer page, infer bin, insert into that bin.  Never coalesces!
 *
 * Invariants, checked under these names: S1 class, S4 counted (segment.h), and
 *   S2 listed    every slot of a bin is a slot of a page of that class
 *   S3 once      no slot is listed twice
 *
 * No header, size, status bit or footer.  A page keeps its class for ever: one malloc(32) wastes
 * the rest of its page.  An object larger than a segment gets a segment of its own, unmapped on
 * free.  Cannot see: a double free, a foreign pointer, an overrun: there is nothing beside the
 * payload.  Only a pointer into a page that is unused, or not the program's, is named.
 */
#include "system/systems.h"

#include "system/misuse.h"
#include "system/segment.h"
#include "system/slots.h"

struct segdata {
	struct segments segments;
	struct slot *bin[SLOTS_CLASSES];
};

static int segdata_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct segdata *const s = st;
	(void)params;
	segments_open(&s->segments, os);
	return 0;
}

static void segdata_close(void *st)
{
	struct segdata *const s = st;
	segments_close(&s->segments);
}

static void *segdata_alloc(void *st, size_t n, size_t align)
{
	struct segdata *const s = st;
	(void)align;

	if (n > SLOTS_PAGE) /* whole pages */
		return segment_take(&s->segments, segment_pages(n), RUN, RUN_BODY);
	const unsigned class = slots_class(n);
	if (s->bin[class] == NULL) {
		const uint8_t what = (uint8_t)(CLASS_0 + class);
		char *const page = segment_take(&s->segments, 1, what, what);
		if (page == NULL)
			return NULL;
		slots_carve(&s->bin[class], page, class);
	}
	struct slot *const slot = s->bin[class];
	s->bin[class] = slot->next;
	return slot;
}

static void segdata_free(void *st, void *p)
{
	struct segdata *const s = st;
	struct segment *const g = segment_of(p); /* examine address */
	const size_t i = segment_index(g, p);    /* infer virtual memory page */

	if (g->what[i] == RUN) {
		segment_give(&s->segments, g, i, segment_run(g, i));
		return;
	}
	if (g->what[i] == UNUSED || g->what[i] >= CLASS_0 + SLOTS_CLASSES)
		misuse_invalid_free(p);
	struct slot **const bin = &s->bin[g->what[i] - CLASS_0], *const slot = p; /* infer bin */
	/* insert into that */
	slot->next = *bin;
	*bin = slot;
}

static size_t segdata_usable(void *st, const void *p)
{
	const struct segment *const g = segment_of(p);
	const size_t i = segment_index(g, p);
	(void)st;
	return g->what[i] == RUN ? segment_run(g, i) * SLOTS_PAGE
	    : slots_size(g->what[i] - CLASS_0);
}

/* In place while the class stays, or the number of pages; a run may also give up its last pages. */
static void *segdata_resize(void *st, void *p, size_t n)
{
	struct segdata *const s = st;
	struct segment *const g = segment_of(p);
	const size_t i = segment_index(g, p), have = segdata_usable(st, p);

	if (n > have)
		return NULL;
	if (g->what[i] != RUN)
		return slots_size(slots_class(n)) == have ? p : NULL;
	if (n <= SLOTS_PAGE || (g->pages > PAGES && segment_pages(n) != g->pages - 1))
		return NULL;
	if (segment_pages(n) < have / SLOTS_PAGE)
		segment_give(&s->segments, g, i + segment_pages(n),
		    have / SLOTS_PAGE - segment_pages(n));
	return p;
}

/* ---- looking inside */

static int walk_segment(struct segment *g, dmm_visit *visit, void *arg)
{
	int r = piece(visit, arg, g, SLOTS_PAGE, DMM_META, "page table", -1);

	for (size_t i = 1, count; i < g->pages && r == 0; i += count) {
		const uint8_t what = g->what[i];
		count = what == RUN || g->pages > PAGES ? segment_run(g, i) : 1;
		if (what == RUN || what == UNUSED)
			r = piece(visit, arg, segment_page(g, i), count * SLOTS_PAGE,
			    what == RUN ? DMM_LIVE : DMM_FREE,
			    what == RUN ? "pages" : "unused page", -1);
		else
			r = slots_walk(&g->marks[i], segment_page(g, i), what - CLASS_0, visit,
			    arg);
	}
	return r;
}

/* Mark the free slots of one bin in their pages. */
static bool mark_bin(struct segdata *s, unsigned class, struct dmm_fault *why)
{
	struct segment *known = NULL;

	for (const struct slot *at = s->bin[class]; at != NULL; at = at->next) {
		struct segment *const g = segment_of(at);
		const size_t i = segment_index(g, at);
		if (g != known && !segments_have(&s->segments, g))
			return fault(why, "S2 listed", at, (uintptr_t)at, 0);
		if (g->what[i] != CLASS_0 + class || ((uintptr_t)at & (slots_size(class) - 1)) != 0)
			return fault(why, "S2 listed", at, g->what[i], CLASS_0 + class);
		if (!slots_mark(&g->marks[i], at, class))
			return fault(why, "S3 once", at, 2, 1);
		known = g;
	}
	return true;
}

static bool mark(struct segdata *s, struct dmm_fault *why)
{
	for (struct list *at = s->segments.all.next; at != &s->segments.all; at = at->next)
		segment_clear_marks(list_entry(at, struct segment, link));
	for (unsigned class = 0; class < SLOTS_CLASSES; class++)
		if (!mark_bin(s, class, why))
			return false;
	return true;
}

static int segdata_walk(void *st, dmm_visit *visit, void *arg)
{
	struct segdata *const s = st;
	struct dmm_fault unused;
	int r = 0;

	mark(s, &unused);
	for (struct list *at = s->segments.all.next; at != &s->segments.all && r == 0;
	    at = at->next)
		r = walk_segment(list_entry(at, struct segment, link), visit, arg);
	return r;
}

static bool segdata_check(void *st, struct dmm_fault *why)
{
	struct segdata *const s = st;
	return segments_check(&s->segments, why) && mark(s, why);
}

static void *segdata_next_free(void *st, int32_t bin, const void *after)
{
	const struct segdata *const s = st;
	if (bin < 0 || bin >= SLOTS_CLASSES)
		return NULL;
	return after == NULL ? s->bin[bin] : ((const struct slot *)after)->next;
}

const struct dmm_system system_segdata = {
    .abi = DMM_SYSTEM_ABI,
    .name = "segdata",
    .doc = "each page holds one size: never splits, never merges, free infers the bin from the "
    "page",
    .traits = DMM_FREES | DMM_USES_MAP,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct segdata),
    .open = segdata_open,
    .close = segdata_close,
    .alloc = segdata_alloc,
    .free = segdata_free,
    .resize = segdata_resize,
    .usable = segdata_usable,
    .walk = segdata_walk,
    .check = segdata_check,
    .next_free = segdata_next_free,
};
