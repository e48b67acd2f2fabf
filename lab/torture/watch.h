/* watch.h - work in a child process that may crash or hang. */
#ifndef LAB_TORTURE_WATCH_H
#define LAB_TORTURE_WATCH_H

#include "torture/torture.h"

/* Run work(arg) in a child, which then ends.  The terminal is told how much of `goal` *done is; 0:
 * nothing is told.  The child hangs, and is killed, if *done (in shared
 * memory) stands still for cpu_s seconds of its processor time, or for a minute.  TORTURE_FINE: it
 * came to its end; TORTURE_DIED: *signal says by what; TORTURE_CANNOT: fork gave no process. */
enum torture_end watch_run(void (*work)(void *arg), void *arg, const volatile uint64_t *done,
    uint64_t goal, double cpu_s, int *signal);

#endif
