/* segmeta.c - the appendix's segregated metadata: no header at all, nothing between the payloads.
 *
 *   data:      | 64 64 64 64 64 ... | 32 32 32 32 ... | one large object ...        |
 *              ^ page A             ^ page B          ^ pages C, C+1, ...
 *   metadata:  hash table   A -> class 1    B -> class 0    C -> run          pages of their own
 *   bin[1] ---> 64 ---> 64        a payload stores the forward link, only while it is not in use
 *
 *   malloc(n)   look up in bins array, use first element of linked list; an empty bin gets a fresh
 *               page.  What is larger than a page gets a mapping of whole pages.
 *   free(p)     find size: page of p, class by the hash table; put back at head of that bin's list
 *
 * Invariants, checked under these names:
 *   M1 table     every page that was handed out is in the table, with its class or as a run
 *   M2 listed    every slot of a bin is a slot of a page of that class
 *   M3 once      no slot is listed twice
 *   M4 counted   the table has as many entries as there are such pages
 *
 * 0 bytes an object; the table takes 24 to 64 bytes a page (page_table.h).  No coalescing.
 * An overrun can spoil a link, and other payloads, but no metadata.
 * Sees a foreign pointer, and one into the middle of an object, always: the table says so.
 * Cannot see: a double free (but of a large object), an overrun.
 */
#include "system/systems.h"

#include "system/extent.h"
#include "system/misuse.h"
#include "system/page_table.h"

enum { AREA_PAGES = 64 }; /* pages mapped at once for slots: 256 KiB */

struct segmeta {
	struct slot *bin[SLOTS_CLASSES];
	struct page_table table;
	struct extents extents;
	struct extent *table_extent;
	char *fresh, *fresh_end; /* pages of the newest area that have no class yet */
};

static int segmeta_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct segmeta *const s = st;
	(void)params;
	extents_open(&s->extents, os);
	return 0;
}

static void segmeta_close(void *st)
{
	struct segmeta *const s = st;
	extents_close(&s->extents);
}

/* Room in the table for one page more. */
static bool reserve_entry(struct segmeta *s)
{
	struct extent *const old = s->table_extent;

	if (!page_table_full(&s->table))
		return true;
	const size_t cap = s->table.cap == 0 ? PAGE_TABLE_LEAST : 2 * s->table.cap;
	const size_t len = round_up(cap * sizeof(struct page_entry), SLOTS_PAGE);
	s->table_extent = extent_new(&s->extents, len / SLOTS_PAGE, EXTENT_TABLE);
	if (s->table_extent == NULL) {
		s->table_extent = old;
		return false;
	}
	page_table_move(&s->table, s->table_extent->base, cap);
	if (old != NULL)
		extent_delete(&s->extents, old);
	return true;
}

/* A page for a class, from the newest area or a new one. */
static bool fill_bin(struct segmeta *s, unsigned class)
{
	if (!reserve_entry(s))
		return false;
	if (s->fresh == s->fresh_end) {
		const struct extent *const area = extent_new(&s->extents, AREA_PAGES, EXTENT_AREA);
		if (area == NULL)
			return false;
		s->fresh = area->base;
		s->fresh_end = area->base + AREA_PAGES * SLOTS_PAGE;
	}
	page_add(&s->table, s->fresh, class);
	slots_carve(&s->bin[class], s->fresh, class);
	s->fresh += SLOTS_PAGE;
	return true;
}

static size_t pages_for(size_t n)
{
	return round_up(n, SLOTS_PAGE) / SLOTS_PAGE;
}

static void *alloc_run(struct segmeta *s, size_t n)
{
	if (!reserve_entry(s))
		return NULL;
	struct extent *const run = extent_new(&s->extents, pages_for(n), EXTENT_RUN);
	if (run == NULL)
		return NULL;
	page_add(&s->table, run->base, PAGE_RUN)->run = run;
	return run->base;
}

static void *segmeta_alloc(void *st, size_t n, size_t align)
{
	struct segmeta *const s = st;
	(void)align;

	if (n > SLOTS_PAGE)
		return alloc_run(s, n);
	const unsigned class = slots_class(n);
	if (s->bin[class] == NULL && !fill_bin(s, class))
		return NULL;
	struct slot *const slot = s->bin[class];
	s->bin[class] = slot->next;
	return slot;
}

/* The table's entry of p, which must be the start of an object. */
static struct page_entry *entry_of(const struct segmeta *s, const void *p)
{
	struct page_entry *const e = page_find(&s->table, slots_page_of(p));
	const size_t in_page = (uintptr_t)p & (SLOTS_PAGE - 1);

	if (e == NULL || in_page % (page_what(e) == PAGE_RUN ? SLOTS_PAGE
	    : slots_size(page_what(e))) != 0)
		misuse_invalid_free(p);
	return e;
}

static void segmeta_free(void *st, void *p)
{
	struct segmeta *const s = st;
	struct page_entry *const e = entry_of(s, p); /* find size */

	if (page_what(e) == PAGE_RUN) {
		struct extent *const run = e->run;
		page_remove(&s->table, e);
		extent_delete(&s->extents, run);
		return;
	}
	struct slot **const bin = &s->bin[page_what(e)], *const slot = p;
	slot->next = *bin; /* put back at head of that bin's list */
	*bin = slot;
}

static size_t segmeta_usable(void *st, const void *p)
{
	const struct segmeta *const s = st;
	const struct page_entry *const e = entry_of(s, p);
	return page_what(e) == PAGE_RUN ? e->run->pages * SLOTS_PAGE : slots_size(page_what(e));
}

/* In place while the class stays; a run by mremap. */
static void *segmeta_resize(void *st, void *p, size_t n)
{
	struct segmeta *const s = st;
	struct page_entry *const e = entry_of(s, p);

	if (page_what(e) != PAGE_RUN)
		return n <= SLOTS_PAGE && slots_class(n) == page_what(e) ? p : NULL;
	struct extent *const run = e->run;
	if (n <= SLOTS_PAGE)
		return NULL;
	if (pages_for(n) == run->pages)
		return p;
	if (!extent_resize(&s->extents, run, pages_for(n)))
		return n <= run->pages * SLOTS_PAGE ? p : NULL;
	page_remove(&s->table, e); /* and there is room for the new one */
	page_add(&s->table, run->base, PAGE_RUN)->run = run;
	return run->base;
}

/* ---- looking inside */

/* Mark the free slots of all bins in the table.  The marks are clear outside walk and check. */
static bool mark(struct segmeta *s, struct dmm_fault *why)
{
	for (size_t i = 0; i < s->table.cap; i++)
		if (s->table.entries[i].key != 0 && page_what(&s->table.entries[i]) != PAGE_RUN)
			s->table.entries[i].marks = (struct slot_marks){0};
	for (unsigned class = 0; class < SLOTS_CLASSES; class++) {
		for (const struct slot *at = s->bin[class]; at != NULL; at = at->next) {
			struct page_entry *const e = page_find(&s->table, slots_page_of(at));
			if (e == NULL || page_what(e) != class ||
			    ((uintptr_t)at & (slots_size(class) - 1)) != 0)
				return fault(why, "M2 listed", at, (uintptr_t)at, class);
			if (!slots_mark(&e->marks, at, class))
				return fault(why, "M3 once", at, 2, 1);
		}
	}
	return true;
}

static const char *area_end(const struct segmeta *s, const struct extent *area)
{
	const char *const end = area->base + area->pages * SLOTS_PAGE;
	return s->fresh_end == end ? s->fresh : end;
}

static int walk_area(struct segmeta *s, const struct extent *area, dmm_visit *visit, void *arg)
{
	const char *const end = area_end(s, area);
	const size_t unused = area->pages * SLOTS_PAGE - ptr_diff(end, area->base);
	int r = 0;

	for (const char *page = area->base; page < end && r == 0; page += SLOTS_PAGE) {
		struct page_entry *const e = page_find(&s->table, page);
		r = slots_walk(&e->marks, page, page_what(e), visit, arg);
	}
	return r != 0 ? r : piece(visit, arg, end, unused, DMM_FREE, "unused page", -1);
}

static int segmeta_walk(void *st, dmm_visit *visit, void *arg)
{
	static const struct {
		enum dmm_kind kind;
		const char *what;
	} shown[] = {
	    [EXTENT_RUN] = {DMM_LIVE, "pages"},
	    [EXTENT_TABLE] = {DMM_META, "page table"},
	    [EXTENT_DESCRIPTORS] = {DMM_META, "extents"},
	    [EXTENT_KEPT] = {DMM_FREE, "kept"},
	};
	struct segmeta *const s = st;
	struct dmm_fault ignored;
	int r = 0;

	mark(s, &ignored);
	extents_sort(&s->extents);
	for (struct list *at = s->extents.all.next; at != &s->extents.all && r == 0;
	    at = at->next) {
		const struct extent *const e = list_entry(at, struct extent, link);
		r = e->kind == EXTENT_AREA ? walk_area(s, e, visit, arg)
		                           : piece(visit, arg, e->base, e->pages * SLOTS_PAGE,
		                                 shown[e->kind].kind, shown[e->kind].what, -1);
	}
	return r;
}

/* Every page of one extent that was handed out; adds them to *pages. */
static bool check_extent(const struct segmeta *s, const struct extent *x, size_t *pages,
    struct dmm_fault *why)
{
	const char *const end = x->kind == EXTENT_AREA  ? area_end(s, x)
	    : x->kind == EXTENT_RUN                     ? x->base + SLOTS_PAGE
	                                                : x->base;

	for (const char *page = x->base; page < end; page += SLOTS_PAGE, ++*pages) {
		const struct page_entry *const e = page_find(&s->table, page);
		if (e == NULL)
			return fault(why, "M1 table", page, 0, 1);
		if (x->kind == EXTENT_RUN ? page_what(e) != PAGE_RUN || e->run != x
		                          : page_what(e) >= SLOTS_CLASSES)
			return fault(why, "M1 table", page, page_what(e), x->kind);
	}
	return true;
}

static bool segmeta_check(void *st, struct dmm_fault *why)
{
	struct segmeta *const s = st;
	size_t pages = 0;

	for (struct list *at = s->extents.all.next; at != &s->extents.all; at = at->next)
		if (!check_extent(s, list_entry(at, struct extent, link), &pages, why))
			return false;
	if (pages != s->table.count)
		return fault(why, "M4 counted", s->table.entries, s->table.count, pages);
	return mark(s, why);
}

static void *segmeta_next_free(void *st, int32_t bin, const void *after)
{
	const struct segmeta *const s = st;
	if (bin < 0 || bin >= SLOTS_CLASSES)
		return NULL;
	return after == NULL ? s->bin[bin] : ((const struct slot *)after)->next;
}

const struct dmm_system system_segmeta = {
    .abi = DMM_SYSTEM_ABI,
    .name = "segmeta",
    .doc = "no header at all: free finds the size of a page in a hash table, in pages of its own",
    .traits = DMM_FREES | DMM_USES_MAP | DMM_SEES_FOREIGN,
    .align = DMM_ALIGN_MIN,
    .state_size = sizeof(struct segmeta),
    .open = segmeta_open,
    .close = segmeta_close,
    .alloc = segmeta_alloc,
    .free = segmeta_free,
    .resize = segmeta_resize,
    .usable = segmeta_usable,
    .walk = segmeta_walk,
    .check = segmeta_check,
    .next_free = segmeta_next_free,
};
