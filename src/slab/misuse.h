/* misuse.h - the line with which slab ends a program that misuses it. */
#ifndef SLAB_MISUSE_H
#define SLAB_MISUSE_H

#include "base/origin.h"
#include "slab/slab.h"

/* End the program: of a word's objects, those with these bits were freed twice; the message names
 * the first. */
_Noreturn void slab_freed_twice(const struct slab *s, const void *in_word, uint64_t bits);
/* End the program: "dmm: double free: 0x... (48 bytes)". */
_Noreturn void slab_misuse(const char *what, const void *p, size_t size);
/* A free of p, which is live, named a size or an alignment that is not the object's. The setting
 * `sized` decides whether this ends the program, prints the first case, or does nothing. If it
 * returns, the caller frees p: slab knows its true size. */
void slab_wrong_size(size_t n, const void *p, size_t size);
void slab_wrong_alignment(size_t align, const void *p);
/* `call` is about to free or resize p, which another family allocated.  The setting `mismatch`
 * decides in the same way. */
void slab_mismatch(const char *call, const void *p, size_t size, enum origin allocated_by);

#endif
