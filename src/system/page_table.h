/* page_table.h - segmeta's metadata, in pages of its own: page to class by a hash table.
 *
 *   entry    | page address       | what    | marks, one bit a slot; of a run its extent |
 *              key, bits 12..63    bits 0..11
 *
 * Open addressing with linear probing, at most three quarters full; 24 bytes for each page of
 * 4,096, at worst 64 just after the table doubled: 1.6 %.
 */
#ifndef SYSTEM_PAGE_TABLE_H
#define SYSTEM_PAGE_TABLE_H

#include "system/slots.h"

enum { PAGE_RUN = 64, PAGE_TABLE_LEAST = 128 }; /* `what` of a run's first page; below: a class */

struct page_entry {
	uintptr_t key; /* page address | what; 0: empty */
	union {
		struct slot_marks marks; /* of a page of slots: see slots.h */
		struct extent *run;
	};
};

struct page_table {
	struct page_entry *entries;
	size_t cap, count; /* cap is a power of two, or 0 */
};

static inline unsigned page_what(const struct page_entry *e)
{
	return e->key & (SLOTS_PAGE - 1);
}

/* No room for one more: page_table_move() to twice as many entries first. */
static inline bool page_table_full(const struct page_table *t)
{
	return 4 * (t->count + 1) > 3 * t->cap;
}

/* Zeroed memory for `cap` entries takes the place of what there was. */
void page_table_move(struct page_table *t, void *entries, size_t cap);

/* NULL: that page is not in the table. */
struct page_entry *page_find(const struct page_table *t, const void *page);

struct page_entry *page_add(struct page_table *t, const void *page, unsigned what);
void page_remove(struct page_table *t, struct page_entry *e);

#endif
