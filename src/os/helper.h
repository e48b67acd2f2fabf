/* helper.h - one ordinary thread of the C library that works in the background for a while.
 *
 * The helper is a thread of the C library, so that setuid() reaches it, and debuggers and
 * sanitizers see it. It is detached, named "dmm-purge", blocks all signals, and runs under the
 * normal policy on the CPUs that the process had at its start. Its stack is small; the C library
 * adds the thread-local storage. A child of fork() does not have it.
 *
 * The caller makes sure that a program without threads of its own gets no helper.
 */
#ifndef OS_HELPER_H
#define OS_HELPER_H

#include <stdbool.h>

/* Remember the CPUs of the process and the size of its thread-local storage.  Call it before
 * main. */
void helper_note_process(void);
/* May a function whose caller returns to `caller` start the helper? False if `caller` lies in the C
 * library or its loader, which free memory under locks that pthread_create takes, or if that is
 * unknown. */
bool helper_may_start_from(const void *caller);
/* Starts `run`.  False: a helper runs already, or the system refused.  Allocates through malloc, so
 * the caller holds no lock. */
bool helper_start(void (*run)(void));
bool helper_running(void);
/* Ask it to end and wait until its task is gone: a moment, and at most a tenth of a second. */
void helper_stop(void);
/* In a child of fork(). */
void helper_forget(void);

/* For the helper itself: sleep.  False: it is asked to end. */
bool helper_sleep_ms(unsigned ms);
bool helper_must_end(void);

/* For any other thread: sleep about so long, by the system call futex alone, which filters of
 * system calls allow.  A signal may end the sleep earlier.  Keeps errno. */
void helper_pause_ms(unsigned ms);

#endif
