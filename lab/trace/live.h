/* live.h - the objects that are live now, by address.
 *
 * Open addressing, linear probing, at most half full; removal moves later entries up (Knuth, TAOCP
 * 3, 6.4 algorithm R).  Its memory comes from mmap, so that a replayer may say what is its own.
 */
#ifndef LAB_TRACE_LIVE_H
#define LAB_TRACE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_object {
	uint64_t addr; /* 0: empty */
	uint64_t size; /* bytes asked for */
	uint64_t user; /* whatever the owner of the table wants to know about it */
	uint64_t born; /* tick */
	uint64_t call; /* number of the call that made it, from 1; it keeps it when it is resized */
	uint32_t stack, thread;
};

struct live {
	struct live_object *at;
	size_t cap, count; /* cap is a power of two, or 0 */
};

bool live_open(struct live *t);
void live_close(struct live *t);

static inline size_t live_home(const struct live *t, uint64_t addr)
{
	return (addr >> 4) * 0x9e3779b97f4a7c15u >> 24 & (t->cap - 1);
}

/* The entry of addr will be wanted soon. */
static inline void live_fetch(const struct live *t, uint64_t addr)
{
	__builtin_prefetch(&t->at[live_home(t, addr)], 1);
}

/* The object at addr, or the empty entry where it would go; valid until the table changes. */
static inline struct live_object *live_slot(const struct live *t, uint64_t addr)
{
	size_t i = live_home(t, addr);
	while (t->at[i].addr != 0 && t->at[i].addr != addr)
		i = (i + 1) & (t->cap - 1);
	return &t->at[i];
}

/* The entry for addr, new or old, or NULL when there is no memory for a larger table. */
struct live_object *live_add(struct live *t, uint64_t addr);
void live_remove(struct live *t, struct live_object *o);

#endif
