/* fork.h - fork at any moment in a threaded parent: every lock is held across it.
 *
 * In the child the other threads are gone: their slabs become orphans.  They may have stood between
 * any two instructions of the hit path, which leaves at worst one object that nobody will ever free:
 * the free bit is the only truth, and `countdown` errs on the side of looking too early.
 */
#ifndef SLAB_FORK_H
#define SLAB_FORK_H

void slab_before_fork(void);
void slab_after_fork_parent(void);
void slab_after_fork_child(void);

#endif
