/* room.h - how many bytes a program may write at an address: to the end of the object around it.
 * Any thread may ask, for any address, also in the middle of an object. It writes none of the
 * program's memory, and reads only an object's canary. */
#ifndef SLAB_ROOM_H
#define SLAB_ROOM_H

#include "slab/canary.h"
#include "slab/slab.h"

#define ROOM_UNKNOWN SIZE_MAX

/* From now on objects are looked up, if the setting guard_copy is on; slab has started. */
void room_begin(void);

struct room {
	const char *object; /* where it begins */
	size_t size;        /* bytes from there that the program may write */
};
/* The object around p. ROOM_UNKNOWN in .size: p lies in no object, or in one whose end is
 * unknown. */
struct room room_around(const void *p);

/* Bytes from p to the end of the object around it, or ROOM_UNKNOWN. */
static inline size_t room_at(const void *p)
{
	const struct room r = room_around(p);
	return r.size == ROOM_UNKNOWN ? ROOM_UNKNOWN : r.size - ptr_diff(p, r.object);
}

/* ---- a quick answer -------------------------------------------------------------------------- */

/* For a class whose slabs are one granule: 2^ROOM_SHIFT divided by its size, rounded up. A product
 * replaces a division, exact for all offsets in a granule. 0: another class, or no look-up is
 * needed. */
struct room_class {
	uint64_t reciprocal;
	uint32_t size;
	uint32_t margin; /* bytes: the longest canary, but an aligned object's; 0: none */
};
enum { ROOM_SHIFT = 40 };
static_assert(sizeof(struct room_class) == TAG_MAGAZINE, "a tag is the place of a class");
extern HIDDEN struct room_class room_class[CLASS_MAX];

bool room_fits_slow(const void *p, size_t n);

/* False: n bytes from p on reach past the end of the object around it.  Of a canary the code is
 * read alone: if it is damaged, it may let a copy pass, but never stops one; and that it is
 * damaged is told when the object is freed. */
static inline bool room_fits(const void *p, size_t n)
{
	const size_t off = (uintptr_t)p - root.base;
	if (likely(off >> UNIT_SHIFT >= root.units))
		return true;
	const size_t place = tag_at(off >> GRANULE_SHIFT) & ((1u << TAG_HEAP_SHIFT) - 1);
	const struct room_class *const c = (const struct room_class *)ptr_add(room_class, place);
	if (unlikely(c->reciprocal == 0))
		return room_fits_slow(p, n);
	const size_t at = off % GRANULE, size = c->size;
	const size_t rest = size - at + (at * c->reciprocal >> ROOM_SHIFT) * size;
	if (likely(n + c->margin <= rest))
		return n <= rest;
	const char *const end = (const char *)p + rest;
	const uint64_t value = canary_value(hardening.key, end - size);
	const uint8_t code = (uint8_t)(value >> 56) ^ (uint8_t)end[-1];
	const bool is_short = code - 1u < CANARY_LONG, first = hardening.key == hardening.keys;
	if (likely(is_short && (size_t)code + n <= rest && first))
		return n <= rest;
	return room_fits_slow(p, n);
}

#endif
