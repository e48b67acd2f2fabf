/* live.c - growing and removal; the look-up is inline. */
#include "trace/live.h"

#include <sys/mman.h>

enum { FIRST_CAP = 4096, HUGE_PAGE = 2 << 20 };

/* Look-ups go everywhere in it: huge pages save a walk of the page tables each. */
static struct live_object *map(size_t cap)
{
	const size_t len = cap * sizeof(struct live_object);
	void *const p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (len >= 4 * HUGE_PAGE)
		madvise(p, len, MADV_HUGEPAGE);
	return p;
}

bool live_open(struct live *t)
{
	*t = (struct live){.at = map(FIRST_CAP), .cap = FIRST_CAP};
	return t->at != NULL;
}

void live_close(struct live *t)
{
	if (t->at != NULL)
		munmap(t->at, t->cap * sizeof *t->at);
	*t = (struct live){0};
}

static bool grow(struct live *t)
{
	struct live old = *t;
	struct live_object *const at = map(2 * old.cap);

	if (at == NULL)
		return false;
	t->at = at;
	t->cap = 2 * old.cap;
	for (size_t i = 0; i < old.cap; i++)
		if (old.at[i].addr != 0)
			*live_slot(t, old.at[i].addr) = old.at[i];
	live_close(&old);
	return true;
}

struct live_object *live_add(struct live *t, uint64_t addr)
{
	if (2 * (t->count + 1) > t->cap && !grow(t))
		return NULL;
	struct live_object *const o = live_slot(t, addr);
	t->count += o->addr == 0;
	o->addr = addr;
	return o;
}

void live_remove(struct live *t, struct live_object *o)
{
	const size_t mask = t->cap - 1;
	size_t hole = (size_t)(o - t->at);

	for (size_t i = (hole + 1) & mask; t->at[i].addr != 0; i = (i + 1) & mask) {
		if (((i - live_home(t, t->at[i].addr)) & mask) < ((i - hole) & mask))
			continue;
		t->at[hole] = t->at[i];
		hole = i;
	}
	t->at[hole].addr = 0;
	t->count--;
}
