/* canary.h - an object that knows exactly where it ends, and whether somebody wrote there.
 *
 *   | n bytes, the program's | c c c c ... c | code |        slack = size - n, at least 1
 *   p                        p+n                    p+size
 *
 *   c      the process's canary byte
 *   code   0x80 | (slack ^ secret), for a slack of up to 127 bytes; else 0x80 | secret, and the slack
 *          stands in the four bytes before it
 *
 * All canary bytes have their top bit set, so that neither a NUL nor a letter written past the end can
 * be one by chance.  Of a long slack, the first 32 bytes and the last five are canaries.
 */
#ifndef SLAB_CANARY_H
#define SLAB_CANARY_H

#include <string.h>

#include "base/bits.h"
#include "slab/settings.h"

enum { SLACK_SHORT = 127, CANARY_MOST = 32, CANARY_WORD = 16, CANARY_TAIL = 5 };

typedef uint64_t canary_word __attribute__((vector_size(CANARY_WORD), may_alias));

static inline uint64_t canary_bytes(void)
{
	return hardening.canary_bytes;
}

static inline uint8_t canary_code(size_t slack)
{
	return (uint8_t)(0x80 | ((slack <= SLACK_SHORT ? slack : 0) ^ (hardening.secret >> 8 & 0x7f)));
}

/* The last 16 bytes of an object, were they all canary, and which of them are. */
static inline canary_word canary_pattern(size_t slack)
{
	return (canary_word){canary_bytes(), canary_bytes() >> 8 | (uint64_t)canary_code(slack) << 56};
}

/* 16 bytes of zeros, 16 of ones */
extern HIDDEN const uint8_t canary_ramp[2 * CANARY_WORD];

static inline canary_word canary_mask(size_t slack)
{
	canary_word mask;
	memcpy(&mask, canary_ramp + slack, sizeof mask);
	return mask;
}

void canary_write_long(char *p, size_t n, size_t size);
size_t canary_slack_long(const char *p, size_t size);

static inline void canary_write(void *p, size_t n, size_t size)
{
	const size_t slack = size - n;
	canary_word *const last = (canary_word *)ptr_add(p, size - CANARY_WORD);

	if (unlikely(slack > CANARY_WORD))
		return canary_write_long(p, n, size);
	const canary_word mask = canary_mask(slack);
	*last = (*last & ~mask) | (canary_pattern(slack) & mask);
}

/* Bytes between the program's end and the object's; 0: somebody wrote there. */
static inline size_t canary_slack(const void *p, size_t size)
{
	const canary_word word = *(const canary_word *)ptr_add(p, size - CANARY_WORD);
	const size_t slack = (word[1] >> 56 ^ hardening.secret >> 8) & 0x7f;

	if (unlikely(slack - 1 >= CANARY_WORD))
		return canary_slack_long(p, size);
	const canary_word wrong = (word ^ canary_pattern(slack)) & canary_mask(slack);
	return (wrong[0] | wrong[1]) == 0 ? slack : 0;
}

/* Can these be the last 16 bytes of a live object that is `size` long?  Also while another thread frees it, or gives it
 * another end: bytes may be zero that were, or will be, canary. */
bool canary_plausible(const void *last16, size_t size);

/* The same for memory whose n is known, up to a limit. */
void canary_fill(char *from, size_t len);
bool canary_whole(const char *from, size_t len);

#endif
