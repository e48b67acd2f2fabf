/* fork.h - fork at any moment, in a threaded program or in a signal handler: every lock
 * is held across it.
 *
 *   before   the forking thread takes all locks, in their order; locks that it holds already,
 *            because fork runs in a signal handler that interrupted us, it marks instead (lock.h)
 *   parent   gives back what it took
 *   child    unlocks what it took, and makes orphans of the heaps of all other threads (orphan.h)
 *
 * What the interrupted call was changing under its locks it goes on to change, in the parent and in
 * the child.  So the handlers read and write nothing of that: neither slabs nor lists.  Only
 * canary_after_fork() does, once a canary was damaged: it takes slabs and bits as it finds them.
 *
 * One case remains, and glibc's malloc has it too: other threads run, and the signal
 * interrupts a call that holds a lock for which another thread waits that holds an earlier
 * one.  Then fork waits for ever.
 */
#ifndef SLAB_FORK_H
#define SLAB_FORK_H

void slab_before_fork(void);
void slab_after_fork_parent(void);
void slab_after_fork_child(void);

/* Register the three with the C library. slab_start_up() calls it once, before any lock is taken;
 * it may allocate. malloc_fast.c defines it; where slab is not the process's malloc it does
 * nothing. */
extern __attribute__((weak)) void slab_register_fork_handlers(void);

#endif
