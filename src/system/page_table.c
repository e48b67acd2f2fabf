/* page_table.c - linear probing; removal moves later entries up (Knuth, TAOCP 3, 6.4 algorithm
 * R). */
#include "system/page_table.h"

static uintptr_t page_of_key(uintptr_t key)
{
	return round_down(key, SLOTS_PAGE);
}

/* Neighbouring pages go to neighbouring entries, and so never collide; each stretch of 16 MiB
 * begins somewhere else. */
static size_t home(const struct page_table *t, uintptr_t page)
{
	const uintptr_t number = page / SLOTS_PAGE;
	return (number + ((number >> 12) * 0x9e3779b97f4a7c15u >> 24)) & (t->cap - 1);
}

/* Where the page is, or the empty entry where it would go. */
static size_t place(const struct page_table *t, uintptr_t page)
{
	size_t i = home(t, page);
	while (t->entries[i].key != 0 && page_of_key(t->entries[i].key) != page)
		i = (i + 1) & (t->cap - 1);
	return i;
}

struct page_entry *page_find(const struct page_table *t, const void *page)
{
	if (t->cap == 0)
		return NULL;
	struct page_entry *const e = &t->entries[place(t, (uintptr_t)page)];
	return e->key != 0 ? e : NULL;
}

void page_table_move(struct page_table *t, void *entries, size_t cap)
{
	const struct page_table old = *t;

	*t = (struct page_table){entries, cap, old.count};
	for (size_t i = 0; i < old.cap; i++)
		if (old.entries[i].key != 0)
			t->entries[place(t, page_of_key(old.entries[i].key))] = old.entries[i];
}

struct page_entry *page_add(struct page_table *t, const void *page, unsigned what)
{
	struct page_entry *const e = &t->entries[place(t, (uintptr_t)page)];
	*e = (struct page_entry){.key = (uintptr_t)page | what};
	t->count++;
	return e;
}

void page_remove(struct page_table *t, struct page_entry *e)
{
	size_t hole = (size_t)(e - t->entries);

	for (size_t i = (hole + 1) & (t->cap - 1); t->entries[i].key != 0;
	    i = (i + 1) & (t->cap - 1)) {
		const size_t want = home(t, page_of_key(t->entries[i].key));
		if (((i - want) & (t->cap - 1)) >= ((i - hole) & (t->cap - 1))) {
			t->entries[hole] = t->entries[i];
			hole = i;
		}
	}
	t->entries[hole].key = 0;
	t->count--;
}
