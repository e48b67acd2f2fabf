/* place.h - what is at an address: an object of a slab, a run, an object in its own
 * mapping, a guarded one.
 *
 * All functions may be called by any thread, with no lock held.
 */
#ifndef SLAB_PLACE_H
#define SLAB_PLACE_H

#include "slab/slab.h"

/* The slab or run of which a live object begins at p, or what else is there. */
struct place {
	struct slab *slab; /* NULL: none of ours, or no live object begins there */
	size_t   size; /* usable bytes; when slab == NULL, of what lies or lay there, or 0 */
	bool     freed; /* when slab == NULL: p is the start of something that was freed */
};
struct place place_of(const void *p);

/* Classes of objects that lie outside of the heap's addresses. */
enum { CLASS_MAPPED = 253, CLASS_GUARDED = 254 };

/* As place_of(), for any p outside of the heap's addresses: the program ends unless p is live. */
struct place place_outside(const char *call, const void *p);
/* The same for a pointer at which place_of() found nothing live. */
_Noreturn void slab_bad_pointer(const char *call, const void *p);

#endif
