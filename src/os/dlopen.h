/* dlopen.h - dlopen and dlmopen without RTLD_DEEPBIND, for a library that takes malloc's place.
 *
 * A library that is opened with RTLD_DEEPBIND finds the names of the C library before those of the
 * program and of preloaded libraries.  It then calls glibc's free on objects of our malloc.  PHP
 * opens its extensions with this flag; AddressSanitizer refuses the flag for the same reason.
 *
 *      program        call dlopen         dlopen.S: as little as can be done without a frame
 *         |                 |
 *      dlopen.S       mode without the flag, by dlopen_mode (dlopen.c)
 *         |
 *      the next dlopen, reached by a jump: its return address is the program's
 *
 * The jump matters: from its return address dlopen finds the RUNPATH, the $ORIGIN and the namespace
 * of its caller.  errno and dlerror are those of the next dlopen.
 *
 * Thread-safe, and callable from constructors.  The caller must not hold a lock of a heap.
 */
#ifndef OS_DLOPEN_H
#define OS_DLOPEN_H

#include "base/config.h"

/* Does the user want to keep the flag?  Each library that links dlopen.c defines it. */
HIDDEN bool dlopen_keeps_deepbind(void);

/* Called by dlopen.S: the mode that the next dlopen gets.  Each sets the address below it first. */
HIDDEN int dlopen_mode(int mode);
HIDDEN extern void *dlopen_next;
HIDDEN int dlmopen_mode(long space, int mode);
HIDDEN extern void *dlmopen_next;

#endif
