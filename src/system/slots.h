/* slots.h - pages of equal slots: what segdata and segmeta share.
 *
 *   class      0   1   2    3    4    5     6     7
 *   bytes     32  64 128  256  512  1024  2048  4096        malloc(5) gives 32, malloc(100) 128
 *
 *   page   | in use | free --+ | in use | free, next: NULL |   a slot holds a link while free
 *                            +------------^
 *
 * Only forward links: whether a slot is free cannot be told from the slot.  walk and check mark the
 * free ones first, one bit a slot, beside the page's class; no other function reads the marks.
 */
#ifndef SYSTEM_SLOTS_H
#define SYSTEM_SLOTS_H

#include "base/bits.h"
#include "system/piece.h"

enum { SLOTS_PAGE = 4096, SLOTS_LEAST = 32, SLOTS_CLASSES = 8 };

struct slot {
	struct slot *next;
};

struct slot_marks {
	uint64_t bits[SLOTS_PAGE / SLOTS_LEAST / 64];
};

/* n <= SLOTS_PAGE bytes */
static inline unsigned slots_class(size_t n)
{
	return n <= SLOTS_LEAST ? 0 : log2_ceil(n) - log2_floor(SLOTS_LEAST);
}

static inline size_t slots_size(unsigned class)
{
	return (size_t)SLOTS_LEAST << class;
}

static inline void *slots_page_of(const void *p)
{
	return (void *)round_down((uintptr_t)p, SLOTS_PAGE);
}

/* Chain all slots of a fresh page in front of a bin. */
static inline void slots_carve(struct slot **bin, char *page, unsigned class)
{
	for (size_t at = SLOTS_PAGE; at > 0; at -= slots_size(class)) {
		struct slot *const s = (struct slot *)(page + at - slots_size(class));
		s->next = *bin;
		*bin = s;
	}
}

/* Mark the slot of p.  False: it was marked already. */
static inline bool slots_mark(struct slot_marks *m, const void *p, unsigned class)
{
	const size_t i = ((uintptr_t)p & (SLOTS_PAGE - 1)) / slots_size(class);
	const uint64_t bit = (uint64_t)1 << i % 64;

	if (m->bits[i / 64] & bit)
		return false;
	m->bits[i / 64] |= bit;
	return true;
}

/* Show the slots of a page, marked ones as free, and clear the marks. */
int slots_walk(struct slot_marks *m, const char *page, unsigned class, dmm_visit *visit, void *arg);

#endif
