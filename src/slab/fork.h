/* fork.h - fork at any moment in a threaded parent: every lock is held across it.
 *
 * In the child the other threads are gone: their stacks are emptied and their heaps wait for new
 * threads.  They may have stood between any two instructions of the hit path, which leaves at worst one
 * object that is neither live nor free; the child copies their stacks from their caches, whose memory
 * the C library keeps.
 */
#ifndef SLAB_FORK_H
#define SLAB_FORK_H

void slab_before_fork(void);
void slab_after_fork_parent(void);
void slab_after_fork_child(void);

#endif
