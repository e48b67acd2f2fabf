/* segment.h - segdata's pages, in aligned segments that say what each page is.
 *
 *    +-------------------+------------+------------+------------------------+----------+
 *    | what[], marks[]   | class 0    | class 2    | RUN      BODY     BODY | unused   |
 *    +-------------------+------------+------------+------------------------+----------+
 *    ^ address % SEGMENT_LEN == 0: from any address in it, by one mask
 *
 * An object that no segment could hold gets a longer one of its own.
 *
 * Invariants, checked under these names by segments_check():
 *   S1 class     a page is unused, has a class, begins a run of pages, or goes on with one
 *   S4 counted   the segment's count of unused pages is right
 */
#ifndef SYSTEM_SEGMENT_H
#define SYSTEM_SEGMENT_H

#include "base/list.h"
#include "system/slots.h"

enum { SEGMENT_LEN = 256 << 10, PAGES = SEGMENT_LEN / SLOTS_PAGE };
enum { UNUSED = 0, CLASS_0 = 1, RUN = 64, RUN_BODY = 65, OURS = 66 }; /* what a page is */

struct segment {
	struct list link;    /* all segments */
	size_t pages;        /* PAGES, or more for one object */
	size_t unused;       /* pages */
	uint8_t what[PAGES]; /* what[0] is this page's: OURS */
	struct slot_marks marks[PAGES];
};

static_assert(sizeof(struct segment) <= SLOTS_PAGE, "it is the segment's first page");

struct segments {
	const struct dmm_os *os;
	struct list all;
	struct segment *recent; /* where pages were found last */
};

void segments_open(struct segments *s, const struct dmm_os *os);
void segments_close(struct segments *s);

static inline struct segment *segment_of(const void *p)
{
	return (struct segment *)round_down((uintptr_t)p, SEGMENT_LEN);
}

static inline size_t segment_index(const struct segment *g, const void *p)
{
	return ptr_diff(p, g) / SLOTS_PAGE;
}

static inline char *segment_page(const struct segment *g, size_t i)
{
	return ptr_add(g, i * SLOTS_PAGE);
}

/* Pages for n bytes. */
static inline size_t segment_pages(size_t n)
{
	return round_up(n, SLOTS_PAGE) / SLOTS_PAGE;
}

/* `count` pages in a row, the first and the rest marked as what they are; NULL: no memory. */
char *segment_take(struct segments *s, size_t count, uint8_t first, uint8_t rest);

/* Pages of the run that begins at page i. */
size_t segment_run(const struct segment *g, size_t i);

/* `count` pages from i on are unused; a segment of one object goes back to the system. */
void segment_give(struct segments *s, struct segment *g, size_t i, size_t count);

void segment_clear_marks(struct segment *g);
bool segments_have(const struct segments *s, const struct segment *g);
bool segments_check(const struct segments *s, struct dmm_fault *why);

#endif
