/* init.h - slab begins at the first slow path of all. */
#ifndef SLAB_INIT_H
#define SLAB_INIT_H

#include "os/os.h"

/* Begin; false: no memory.  Called on every slow path until it succeeds; any thread. */
bool slab_start_up(void);
/* The same on another system; false: slab had begun already, or no memory. */
bool slab_start_on(const struct dmm_os *os);
/* All memory goes back (system.c).  No other thread has a heap, and none calls. */
void slab_shut_down(void);
extern HIDDEN const struct dmm_os *slab_start_os; /* on which slab will begin */

#endif
