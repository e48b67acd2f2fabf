/* origin.h - hardened: malloc, new or new[]? free and delete check that they match the origin.
 *
 * The origin of an object of a slab is part of its canary, that of a run stands in struct slab.
 * Objects of zero bytes, guarded ones, and those with a mapping of their own have no origin.
 *
 * operator new marks the object that it allocated; operator delete checks the mark and removes it;
 * free and realloc check that there is none. So programs without new pay a comparison each free.
 */
#ifndef SLAB_ORIGIN_H
#define SLAB_ORIGIN_H

#include "base/origin.h"

/* p was just allocated, and no other thread knows it. hardening.origins is on. */
void origin_set(void *p, enum origin origin);
/* `call` is about to free or resize p, which may be any pointer. If p has another origin, the
 * setting `mismatch` decides: end the program, report the first case, or ignore it. p's origin
 * becomes malloc. */
void origin_check(const char *call, void *p, enum origin origin);

#endif
