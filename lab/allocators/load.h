/* load.h - load a design from a shared object of the user. */
#ifndef LAB_ALLOCATORS_LOAD_H
#define LAB_ALLOCATORS_LOAD_H

#include "dmm_system.h"

/* The design that dmm_system_entry() of this library gives.  A child tries it first, so that a
 * library that crashes or hangs when it is loaded is named.  Ends the program with EXIT_USAGE, and
 * the reason, if there is none. */
const struct dmm_system *design_load(const char *path);

#endif
