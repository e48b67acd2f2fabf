/* arena_pages.h - which reserved pages of an os_arena have memory.
 *
 *     block     |          2 MiB           |          2 MiB           |
 *     huge      |            0             |            1             |  a byte a block
 *     touched   | 1 1 1 0 0 1 0 0 ... 0 0  | 1 1 1 1 1 1 1 1 ... 1 1  |  a bit a page
 *
 * Invariants:
 *   A4 touched   touched_bytes are those of the bits in touched; all of them lie in reserved ranges
 *   A5 huge      the first touch of an advised block (1), while none of its pages has memory, gives
 *                memory to all of them; no block outside the reserved ranges is advised
 *
 * Addresses outside the reserved ranges have no effect.
 */
#ifndef OS_ARENA_PAGES_H
#define OS_ARENA_PAGES_H

#include "os/os.h"

/* False: no memory for the bits. */
bool arena_pages_open(struct os_arena *a);
void arena_pages_close(struct os_arena *a);
/* Whole pages lose their memory, as by purge and unmap. */
void arena_untouch(struct os_arena *a, const void *p, size_t len);
/* HUGE and NOHUGE hold for the blocks that lie in [p, p + len) as a whole; COLLAPSE gives memory to
 * all of each block that has some; POPULATE touches an advised block.  What else is populated are
 * tables, to which the owner really writes: they are populated really, where the kernel can (Linux
 * 5.14), and counted by mincore().  Other advice has no effect. */
void arena_advise(struct os_arena *a, const void *p, size_t len, enum dmm_advice what);
/* Move the residency of pages from `from`, which is reserved, to `to`. */
void arena_move_touched(struct os_arena *a, const char *from, const char *to, size_t len);

#endif
