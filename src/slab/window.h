/* window.h - the addresses of the heap: chosen once, mapped as the heap grows.
 *
 * random |<-- avail |..| pool |..| live ->| random |<-- slabs |..| tags -->| random |g| payload ->|
 *         \__ 8 GiB for 512 GiB of payload                 \__ each as long as its payload needs
 *
 * root.h describes each part. slab reserves nothing, so foreign code that maps at a fixed address
 * may take some of these addresses. In payload that costs a chunk (CHUNK_FOREIGN); in a table the
 * window ends there, since a table cannot move while other threads read it without a lock.
 *
 * The caller holds page_lock, or no other thread exists yet; window_pool: heaps_lock alone is
 * enough, since it takes window_lock.
 */
#ifndef SLAB_WINDOW_H
#define SLAB_WINDOW_H

#include "slab/root.h"

/* 0, or -ENOMEM and nothing is mapped. A window for 512 GiB of payload, or for as much as the
 * system has addresses for. */
int window_open(const struct dmm_os *os);
/* Everything goes back. */
void window_close(void);

/* Make the metadata of the first `count` chunks usable; false: the system refuses, or the window
 * ends before. */
bool window_grow_tables(uint32_t count);

/* A slab is about to be opened in this chunk, the first so high in the heap: have the kernel bring
 * the pages of its live and avail bits and of its records at once, of its marks if any are in use,
 * and in a large heap those of the next chunks.  No lock is needed, and two threads may do it at
 * once. */
void window_fill_tables(uint32_t chunk);
extern HIDDEN _Atomic uint32_t window_filled; /* chunks below it need nothing */

/* Bytes mapped for metadata. */
size_t window_tables_len(void);

enum mapped { MAPPED, MAPPED_BY_OTHERS, MAPPED_NOT };
/* Map granules of payload, without huge pages. MAPPED_BY_OTHERS: nothing changed, a foreign mapping
 * lies there; MAPPED_NOT: nothing changed, the system refuses. */
enum mapped window_map(uint32_t first, uint32_t count);
/* Unmap them; false: the system refuses, nothing changed. */
bool window_unmap(uint32_t first, uint32_t count);
/* mlockall(MCL_FUTURE) is in force: the kernel populates new mappings at once, so map no more than
 * needed. */
bool window_is_locked(void);

/* Zeroed memory for records that never go back, aligned to a cache line or, from a page on, to
 * pages; NULL: none. */
void *window_pool(size_t len);
extern struct lock window_lock; /* held by it, innermost */

/* A random number, or 0 on a simulated system, where everything is the same each time. */
uint64_t window_random(void);

#endif
