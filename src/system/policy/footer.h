/* footer.h - another use for the extra size field: error checking (footer:check).
 *
 *      | header | payload: 32 bytes            | size | guard | header of the next chunk
 *   strcpy:      The rain in Spain is mainly in the plain.
 *                                               ^^^^^^^^^ overwritten
 *
 * While a chunk is in use nobody needs its footer, so what it says is known.  With reuse:none the
 * second word is free as well and holds the complement of the size.  A footer that says otherwise
 * was overwritten by the program; the last byte that differs tells how far the write went at least.
 *
 *   dmm: overflow: 0x... (32 bytes): at least 10 bytes beyond its end were written; found in
 *   the call
 *   at /usr/bin/program+0x1234
 *
 * free and realloc look before they touch the chunk, the checker looks at every chunk. The line
 * names the caller of free, not the writer, if it is known (base/where.h); addr2line finds the
 * source line.
 */
#ifndef SYSTEM_POLICY_FOOTER_H
#define SYSTEM_POLICY_FOOTER_H

#include "base/assert.h"
#include "system/chunk.h"

/* Make the footer of a chunk that becomes live known. */
static inline void footer_guard(const struct chunk_heap *h, struct chunk *c)
{
	if (!h->footer)
		return;
	DEBUG_CHECK(chunk_live(c) && h->reuse != DMM_REUSE_FOOTER);
	*chunk_footer(h, c) = chunk_size(c);
	if (h->reuse == DMM_REUSE_NONE)
		*chunk_prev_field(h, c) = (struct chunk *)~chunk_size(c);
}

/* The least number of bytes beyond the payload of live chunk c that were written; 0: none. */
size_t footer_overrun(const struct chunk_heap *h, const struct chunk *c);

/* Ends the program if c, or the chunk before it, was overrun. */
void footer_verify(const struct chunk_heap *h, const struct chunk *c);

void footer_look_before(const struct chunk_heap *h, const struct chunk *c);

/* Checks the chunk before c alone. Call it before chunk_before() unless c was just freed or
 * resized. */
static inline void footer_verify_before(const struct chunk_heap *h, const struct chunk *c)
{
	if (unlikely(h->footer))
		footer_look_before(h, c);
}

#endif
