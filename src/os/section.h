/* section.h - one heap's part of the heap section, which it shares with all other callers of sbrk.
 *
 *   start                        base              end            break
 *     | ours .... | foreign ... | ours ............. | foreign ... |
 *
 * When the break is not where we left it, somebody moved it: what lies between is a hole that
 * belongs to them, is never touched, and our next bytes begin behind it.
 */
#ifndef OS_SECTION_H
#define OS_SECTION_H

#include "os/os.h"

struct section {
	const struct dmm_os *os;
	char *start, *end; /* NULL until the first growth; holes may lie between them */
	char *base;        /* the last stretch without a hole: [base, end) */
	size_t owned_bytes;
};

/* n more bytes, and `extra` more if they cannot continue ours (the first time, and after a hole);
 * both multiples of MAX_ALIGN.  Their address: the old end, or, after a hole, beyond it.
 * NULL: the break cannot move; nothing changed. */
void *section_grow(struct section *s, size_t n, size_t extra);

/* Give the last n bytes back.  False: the break is not ours to lower, or the kernel refused. */
bool section_shrink(struct section *s, size_t n);

/* Give back the last stretch, if no other code moved the break since. */
void section_close(struct section *s);

#endif
