/* helper.h - a thread that the C library does not know of.
 *
 * pthread_create would make a single-threaded program multi-threaded for good: slower stdio, atomic
 * reference counts.  This one has no thread-local storage but errno, receives no signal, runs on a
 * stack of its own in .bss, and vanishes when its function returns.
 */
#ifndef OS_HELPER_H
#define OS_HELPER_H

#include <stdbool.h>

/* Start `run` when the last one has ended, which it must be about to; false: it is not, or the system refused. */
bool helper_start(int (*run)(void *));
bool helper_running(void);
/* In a child of fork(), where it does not exist. */
void helper_forget(void);
/* Sleep; for the helper itself. */
void helper_sleep_ms(unsigned ms);

#endif
