/* helper.h - one ordinary thread of the C library that works in the background for a while.
 *
 * The C library knows it: setuid() reaches it, debuggers and sanitizers see it.  It is detached, is named "dmm-purge",
 * has all signals blocked, runs under the normal policy on the CPUs that the process had when it began, and has a small
 * stack, to which the C library adds the thread-local storage.  In a child of fork() it does not exist.
 *
 * A program that has no thread of its own must not get one from us: that is for the caller to see to.
 */
#ifndef OS_HELPER_H
#define OS_HELPER_H

#include <stdbool.h>

/* Remember the CPUs of the process and the size of its thread-local storage.  Call it before main. */
void helper_note_process(void);
/* May the helper be started by a function whose caller returns to `caller`?  False where that is the C library or its
 * loader: they free memory while they hold locks that pthread_create takes, too.  False also if it is not known. */
bool helper_may_start_from(const void *caller);
/* Start `run`.  False: there is one already, or the system refused.  Allocates through malloc: no lock is held. */
bool helper_start(void (*run)(void));
bool helper_running(void);
/* Ask it to end and wait until its task is gone: a moment, and at most a tenth of a second. */
void helper_stop(void);
/* In a child of fork(). */
void helper_forget(void);

/* For the helper itself: sleep.  False: it is asked to end. */
bool helper_sleep_ms(unsigned ms);
bool helper_must_end(void);

#endif
