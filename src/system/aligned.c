/* aligned.c - linear probing; removal moves later entries up (Knuth, TAOCP 3, 6.4 algorithm R). */
#include "system/aligned.h"

#include "base/bits.h"

static size_t home(const struct aligned *t, const void *p)
{
	return (((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 20) & (t->cap - 1);
}

/* Where p is, or the empty entry where it would go.  The table is never full. */
static size_t slot_of(const struct aligned *t, const void *p)
{
	size_t i = home(t, p);
	while (t->entries[i].given_out != NULL && t->entries[i].given_out != p)
		i = (i + 1) & (t->cap - 1);
	return i;
}

static bool grow(struct aligned *t, const struct dmm_os *os)
{
	const struct aligned old = *t;
	const size_t cap = old.cap == 0 ? os->page / sizeof *t->entries : old.cap * 2;
	void *const entries = os->map(os->ctx, round_up(cap * sizeof *t->entries, os->page),
	    os->page);

	if (entries == NULL)
		return false;
	*t = (struct aligned){entries, cap, old.count};
	for (size_t i = 0; i < old.cap; i++)
		if (old.entries[i].given_out != NULL)
			t->entries[slot_of(t, old.entries[i].given_out)] = old.entries[i];
	aligned_close(&(struct aligned){old.entries, old.cap, 0}, os);
	return true;
}

bool aligned_add(struct aligned *t, const struct dmm_os *os, void *given_out, void *base)
{
	if (2 * (t->count + 1) > t->cap && !grow(t, os))
		return false;
	t->entries[slot_of(t, given_out)] = (struct aligned_entry){given_out, base};
	t->count++;
	return true;
}

void *aligned_find(const struct aligned *t, const void *given_out)
{
	if (t->count == 0)
		return (void *)(uintptr_t)given_out;
	const struct aligned_entry *const e = &t->entries[slot_of(t, given_out)];
	return e->given_out != NULL ? e->base : (void *)(uintptr_t)given_out;
}

void *aligned_remove(struct aligned *t, void *given_out)
{
	if (t->count == 0)
		return given_out;
	size_t hole = slot_of(t, given_out);
	if (t->entries[hole].given_out == NULL)
		return given_out;

	void *const base = t->entries[hole].base;
	for (size_t i = (hole + 1) & (t->cap - 1); t->entries[i].given_out != NULL;
	     i = (i + 1) & (t->cap - 1)) {
		const size_t want = home(t, t->entries[i].given_out);
		if (((i - want) & (t->cap - 1)) >= ((i - hole) & (t->cap - 1))) {
			t->entries[hole] = t->entries[i];
			hole = i;
		}
	}
	t->entries[hole].given_out = NULL;
	t->count--;
	return base;
}

size_t aligned_bytes(const struct aligned *t, const struct dmm_os *os)
{
	return round_up(t->cap * sizeof *t->entries, os->page);
}

void aligned_close(struct aligned *t, const struct dmm_os *os)
{
	if (t->cap != 0)
		os->unmap(os->ctx, t->entries, aligned_bytes(t, os));
	*t = (struct aligned){0};
}
