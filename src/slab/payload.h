/* payload.h - which granules of payload are mapped, by slab or by foreign code.
 *
 *   chunk     0 | 1 | 2 | 3 | 4 | 5 | 6 |                 the heap grows at its top, by granules
 *             here    A   F   here    here, but not all
 *                     |   |                \_ top
 *                     |   \ CHUNK_FOREIGN: a foreign mapping lies there
 *                     \---- CHUNK_ABSENT: all free, given back, unmapped; mapped again when taken
 *
 * Page_lock is held.
 */
#ifndef SLAB_PAYLOAD_H
#define SLAB_PAYLOAD_H

#include "slab/root.h"

/* The first granules of a new window; false: the system refuses. */
bool payload_begin(void);
/* The granule after the last one that is mapped, or may be mapped next. */
uint32_t payload_top(void);
/* Make all granules up to `end` exist, except where foreign mappings lie; false: the system
 * refuses. */
bool payload_grow(uint32_t end);
/* Map those chunks of [first, first + count) again that were given back; all of them are free.
 * False: some could not be mapped; those that could are ours, and foreign mappings stay. */
bool payload_here(uint32_t first, uint32_t count);
/* Unmap a chunk that is claimed as a whole and was given back, so that it counts neither as address
 * space nor as a commitment; false: it stays as it is. page_lock is not held: payload_is_unmapped()
 * follows under it. */
bool payload_unmap_claimed(uint32_t chunk);
/* It was, and is all free now. */
void payload_is_unmapped(uint32_t chunk);
/* The system refuses memory: give it all chunks that are free, but those of [first, first + count).
 * True: there were some. */
bool payload_shed(uint32_t first, uint32_t count);

#endif
