/* origin.h - hardened: malloc against new against new[], told when an object is freed.
 *
 * The origin of an object of a slab is part of its canary, that of a run stands in struct slab.
 * Not told: objects without bytes, guarded ones, and those that have a mapping of their own.
 *
 * operator new marks what it allocated, operator delete looks at the mark and takes it off; free
 * and realloc find objects without a mark.  So programs without new pay a comparison for each free.
 */
#ifndef SLAB_ORIGIN_H
#define SLAB_ORIGIN_H

#include "base/origin.h"

/* p was just allocated, and nobody else knows it.  hardening.origins is on. */
void origin_set(void *p, enum origin origin);
/* `call` is about to free or resize p, which may be anything.  Another origin than p's: the setting
 * `mismatch` decides whether the program ends, is told once, or neither.  p's becomes malloc. */
void origin_check(const char *call, void *p, enum origin origin);

#endif
