/* dlopen.h - dlopen and dlmopen without RTLD_DEEPBIND, for a library that takes malloc's place.
 *
 * A library that is opened with RTLD_DEEPBIND finds the C library's names before those of the program and
 * of what is preloaded.  Its free is glibc's then, and it frees with it what our malloc gave: PHP opens its
 * extensions so.  AddressSanitizer refuses that flag for the same reason.
 *
 *      program        call dlopen         dlopen.S: as little as can be done without a frame
 *         |                 |
 *      dlopen.S       mode without the flag, by dlopen_mode (dlopen.c)
 *         |
 *      the next dlopen, reached by a jump: its return address is the program's
 *
 * The jump matters: dlopen looks at its return address for the RUNPATH and the $ORIGIN of its caller, and
 * for the namespace that he lives in.  errno and dlerror are those of the next dlopen.
 *
 * Thread-safe, and callable from constructors.  It must not be called while a lock of a heap is held.
 */
#ifndef OS_DLOPEN_H
#define OS_DLOPEN_H

#include "base/config.h"

/* Brought by whoever links dlopen.c: does the user want to keep the flag? */
HIDDEN bool dlopen_keeps_deepbind(void);

/* Called by dlopen.S: the mode that the next dlopen gets.  Each sets the address below it first. */
HIDDEN int dlopen_mode(int mode);
HIDDEN extern void *dlopen_next;
HIDDEN int dlmopen_mode(long space, int mode);
HIDDEN extern void *dlmopen_next;

#endif
