/* guard_large.h - large objects of hardened.h: as large.h, between inaccessible pages.
 *
 *   | granule | granule | ...                 | granule |
 *   |  guard  | object: n bytes |canary| guard          |   the run: from its second granule on
 *             p                p+n     a page's end
 *
 * struct slab of the run (cls == CLASS_RUN) means here:
 *   size   bytes of the run that are not the object's
 *   count  granules before the run that belong to it too
 *   avail  its enum origin
 *
 * A freed run waits until enough others were freed after it (setting quarantine). Meanwhile it has
 * no memory and is inaccessible: a use after free ends the program, and no malloc returns its
 * addresses.
 *
 * The guard after the object takes the rest of the last granule, a page at least. It costs address
 * space and no memory. MADV_GUARD_INSTALL (Linux 6.13) costs no mapping either; on older kernels
 * the guard is an mprotect(). If the kernel refuses that (vm.max_map_count), the object has no
 * guard.
 */
#ifndef SLAB_GUARD_LARGE_H
#define SLAB_GUARD_LARGE_H

#include "slab/settings.h"
#include "slab/slab.h"

/* align: a power of two; *clean: reads as zero.  NULL and errno: no memory. */
void *guard_large_malloc(size_t n, size_t align, bool *clean);
void guard_large_free(void *p); /* p: place_of() found a run there */
/* In place if there is room, else by moving pages; NULL and errno: nothing changed. */
void *guard_large_resize(void *p, size_t n);
size_t guard_large_usable(const void *p);
/* Rewrite its canary with the newest key if it is intact by the old one. The calling thread is the
 * only one. */
void guard_large_renew(const struct slab *s, const struct canary_key *old);

/* Release all runs from quarantine; false: none waited. */
bool guard_large_release_all(void);
/* Forget the quarantine, since the heap is being closed. */
void guard_large_forget(void);
extern struct lock waiting_lock; /* before page_lock */

#endif
