/* canary.h - a canary behind an object: it marks the exact end, and shows at free whether the
 * program wrote there.
 *
 *   | n bytes, the program's | fill fill ... | lane 0  | lane 1      | code |    slack = size - n,
 *   p                        p+n           size-16   size-8        size-1   p+size     at least 2
 *
 *   value    64 bits of a secret key and the object's address; all its bytes have their top bit
 *            set, so that neither a NUL nor a letter written past the end can be one of them
 *   code     slack | origin << 5; 0 for the slack if it is more than 16 bytes
 *   lane 1   the value, each byte xored with the code: so its top byte tells the code, and no other
 *            code fits the rest
 *   lane 0   the same, rotated by three bytes; so is the fill, in words that end where lane 0
 *            begins
 *
 * The canary is the last `slack` bytes of all this.  A slack of more than 16 bytes is xored into
 * bits 24 to 55 of lane 1, and its lowest 14 bits, 7 to a byte, into all other words.
 *
 * A child of fork() keeps its parent's key, since the objects that it inherits have canaries of
 * it, and to write them anew takes time for the whole heap.  It does so once DAMAGE_SEEN processes
 * that have a common ancestor found damaged canaries (canary_fork.c): somebody may be guessing them
 * byte by byte in one child after the other.  Older keys stay valid for what a signal handler that
 * forked had interrupted, but only where the newest key explains fewer bytes of the end.
 */
#ifndef SLAB_CANARY_H
#define SLAB_CANARY_H

#include <string.h>

#include "base/bits.h"
#include "base/origin.h"
#include "slab/settings.h"

/* With two bytes or more, no change of a single byte makes another valid canary. */
enum { CANARY_LEAST = 2, CANARY_WORD = 16, CANARY_LONG = 16, DAMAGE_SEEN = 4 };

typedef uint64_t canary_word __attribute__((vector_size(CANARY_WORD), may_alias));
typedef uint64_t canary_half __attribute__((may_alias));

/* The two halves of the product are mixed, so that one canary and its address do not reveal the
 * key. */
static inline uint64_t canary_value(const struct canary_key *k, const void *p)
{
	const unsigned __int128 product = (unsigned __int128)((uintptr_t)p ^ k->mask) * k->factor;
	return ((uint64_t)product ^ (uint64_t)(product >> 64)) | 0x8080808080808080u;
}

/* The fill of a slack, from the end of each word on: lane 0. */
static inline uint64_t canary_filling(uint64_t value)
{
	return value << 24 | value >> 40;
}

static inline canary_word canary_lanes(uint64_t value, size_t code)
{
	const uint64_t coded = value ^ code * 0x0101010101010101u;
	return (canary_word){canary_filling(coded), coded};
}

/* 16 bytes of zeros, 16 of ones, and more for what is no slack */
enum { CANARY_RAMP = 32 };
extern HIDDEN const uint8_t canary_ramp[CANARY_RAMP + CANARY_WORD];

/* Of 16 bytes, the last `slack`. */
static inline canary_word canary_mask(size_t slack)
{
	canary_word mask;
	memcpy(&mask, canary_ramp + slack, sizeof mask);
	return mask;
}

void canary_write_long(const struct canary_key *k, char *p, size_t n, size_t size,
    enum origin origin);

static inline void canary_write(void *p, size_t n, size_t size, enum origin origin)
{
	const struct canary_key *const k = hardening.key;
	const size_t slack = size - n;
	canary_word *const last = (canary_word *)ptr_add(p, size - CANARY_WORD);

	if (unlikely(slack > CANARY_LONG))
		return canary_write_long(k, p, n, size, origin);
	const uint64_t value = canary_value(k, p);
	const canary_word mask = canary_mask(slack),
	    lanes = canary_lanes(value, slack | (size_t)origin << 5);
	*last = (*last & ~mask) | (lanes & mask);
}

/* A decoded canary. slack 0: it is damaged. */
struct canary {
	size_t slack; /* bytes between the program's end and the object's */
	enum origin origin;
};
/* The same for each slack and key. */
struct canary canary_read_any(const void *p, size_t size);
struct canary canary_read_by(const struct canary_key *k, const char *p, size_t size);

static inline struct canary canary_read(const void *p, size_t size)
{
	const canary_word word = *(const canary_word *)ptr_add(p, size - CANARY_WORD);
	const uint64_t value = canary_value(hardening.key, p);
	const size_t code = (word[1] ^ value) >> 56, slack = code & 31;

	const bool is_short = slack - CANARY_LEAST <= CANARY_LONG - CANARY_LEAST;
	if (unlikely(code >= ORIGINS << 5 || !is_short))
		return canary_read_any(p, size);
	const canary_word wrong = (word ^ canary_lanes(value, code)) & canary_mask(slack);
	if (unlikely((wrong[0] | wrong[1]) != 0))
		return canary_read_any(p, size);
	return (struct canary){slack, (enum origin)(code >> 5)};
}

/* Is there, in the 16 bytes before `end`, the whole canary of an object at p, of up to 16 bytes, by
 * the newest key?  Its origin is below `origins`.  False: canary_read() tells.  By words, since a
 * move from a vector to a register takes as long as a multiplication. */
static inline bool canary_is_short(const void *p, const void *end, unsigned origins)
{
	const canary_half *const word = ptr_sub(end, CANARY_WORD);
	const uint64_t value = canary_value(hardening.key, p);
	const size_t code = (word[1] ^ value) >> 56, slack = code & 31;
	const uint64_t coded = value ^ code * 0x0101010101010101u;
	uint64_t mask[2];

	memcpy(mask, canary_ramp + slack % CANARY_RAMP, sizeof mask);
	const uint64_t wrong = ((word[0] ^ canary_filling(coded)) & mask[0]) |
	    ((word[1] ^ coded) & mask[1]);
	return wrong == 0 && code < origins << 5 &&
	       slack - CANARY_LEAST <= CANARY_LONG - CANARY_LEAST;
}

/* Can these be the last 16 bytes of a live object of `size` bytes at p? Right also while another
 * thread frees or resizes the object: bytes that were or will be canary may be zero. */
bool canary_plausible(const void *p, size_t size);

/* The object at p, whose size no canary records: all bytes of [from, end). end: a multiple of 8. */
void canary_fill(const void *p, char *from, char *end);
bool canary_is_filled_by(const struct canary_key *k, const void *p, const char *from,
    const char *end);
/* By any key: a signal handler that forked may have interrupted canary_fill().  So in a child with
 * seven older keys, an overflow into a fill of one byte passes in 7 of 128 times, if it wrote 0x80
 * or more: smaller bytes never pass. */
bool canary_is_filled(const void *p, const char *from, const char *end);

/* A damaged canary was found: count it for the children of all our ancestors. */
static inline void canary_damaged(void)
{
	if (hardening.damaged != NULL)
		atomic_fetch_add_explicit(hardening.damaged, 1, memory_order_relaxed);
}
/* In a child of fork(). */
void canary_after_fork(void);

#endif
