/* remote.h - frees by another thread than the owner, and slabs whose owner has ended.
 *
 *   freeing thread                                owner, at its next slow path
 *     remote[w] |= bit       (object is free)       inbox, 0 = exchange
 *     owner |= REMOTE        (who set it, pushes)   for each: owner &= ~REMOTE, free |= exchange(remote)
 *     push slab on heap's inbox
 *
 * Setting the bit comes first: so the owner, who clears the flag before it collects, misses nothing.
 * The flag may be put up on a slab that was meanwhile emptied, closed, even opened anew: it then only
 * asks the new owner to look.  A flagged slab is never released, hence `heap` is stable for the push.
 */
#ifndef SLAB_REMOTE_H
#define SLAB_REMOTE_H

#include "slab/slab.h"

/* p is object `index` of s, which the calling thread does not own. */
void remote_free(struct slab *s, unsigned index, const void *p);
/* Take over one orphan of a class, if there is any, into h's partial list.  h's lock is held. */
void remote_adopt_one(struct heap *h, unsigned cls);

#endif
