/* place.h - the object at an address: an object of a slab, a run, one in its own mapping, or a
 * guarded one. Any thread may call all functions, without a lock. */
#ifndef SLAB_PLACE_H
#define SLAB_PLACE_H

#include "slab/slab.h"

/* The slab or run whose live object begins at p, or the reason why there is none. */
struct place {
	struct slab *slab; /* NULL: not ours, or no live object begins there */
	size_t   size; /* usable bytes; if slab == NULL, of the object there, live or freed, or 0 */
	bool     freed; /* if slab == NULL: p is the start of a freed object */
};
struct place place_of(const void *p);

/* Classes of objects that lie outside of the heap's addresses. */
enum { CLASS_MAPPED = 253, CLASS_GUARDED = 254 };

/* As place_of(), for any p outside the heap's addresses: the program ends unless p is live. */
struct place place_outside(const char *call, const void *p);
/* The same for a pointer at which place_of() found nothing live. */
_Noreturn void slab_bad_pointer(const char *call, const void *p);

#endif
