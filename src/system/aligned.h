/* aligned.h - a table from an over-aligned address to the address that the system gave.
 *
 * Open addressing with linear probing, at most half full, in mappings of its own.
 * Not thread-safe: the heap's lock protects it.
 */
#ifndef SYSTEM_ALIGNED_H
#define SYSTEM_ALIGNED_H

#include "dmm_system.h"

struct aligned {
	struct aligned_entry {
		void *given_out, *base; /* given_out == NULL: empty */
	} *entries;
	size_t cap, count; /* cap is a power of two, or 0 */
};

/* False: no memory for a larger table. */
bool aligned_add(struct aligned *t, const struct dmm_os *os, void *given_out, void *base);
/* base, or given_out itself */
void *aligned_find(const struct aligned *t, const void *given_out);
void *aligned_remove(struct aligned *t, void *given_out);             /* likewise, and forgets it */
size_t aligned_bytes(const struct aligned *t, const struct dmm_os *os); /* mapped for the table */
void aligned_close(struct aligned *t, const struct dmm_os *os);

#endif
