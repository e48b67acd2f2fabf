/* flat_os.h - an operating system of a few pages without a single system call, whose whole state
 * can be saved and put back: undo for exhaustive search.
 *
 *   | heap section, FLAT_HEAP bytes | FLAT_PAGES pages for mappings |
 */
#ifndef TEST_EXHAUSTIVE_FLAT_OS_H
#define TEST_EXHAUSTIVE_FLAT_OS_H

#include "dmm_system.h"

enum { FLAT_HEAP = 16384, FLAT_PAGES = 24, FLAT_PAGE = 4096 };

struct flat_state {
	size_t brk;                 /* bytes of the heap section in use */
	uint32_t mapped;            /* a bit a page */
	size_t owned;
};

struct flat_os {
	struct dmm_os os;
	struct flat_state now;
	size_t heap_len; /* the break stops here, at most FLAT_HEAP */
	char *base;      /* FLAT_HEAP + FLAT_PAGES * FLAT_PAGE bytes, page-aligned */
};

struct flat_saved {
	struct flat_state then;
	char bytes[FLAT_HEAP + FLAT_PAGES * FLAT_PAGE]; /* what was in use, packed */
};

void flat_open(struct flat_os *f, char *base, size_t heap_len);
void flat_save(const struct flat_os *f, struct flat_saved *s);
void flat_restore(struct flat_os *f, const struct flat_saved *s);

#endif
