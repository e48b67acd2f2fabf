/* canary.c - canaries longer than a word, and those made with older keys: see canary.h. */
#include "slab/canary.h"

const uint8_t canary_ramp[CANARY_RAMP + CANARY_WORD] = {
    [CANARY_WORD ... CANARY_RAMP + CANARY_WORD - 1] = 0xff};

enum { SLACK_SHIFT = 24 };

/* ---- fill: words that end at `end` ----------------------------------------------------------- */

static void fill(char *from, char *end, uint64_t with)
{
	char *at = end;

	for (; ptr_diff(at, from) >= sizeof with; memcpy(at, &with, sizeof with))
		at -= sizeof with;
	const size_t rest = ptr_diff(at, from);
	memcpy(from, (const char *)&with + sizeof with - rest, rest);
}

static bool is_filled(const char *from, const char *end, uint64_t with)
{
	const char *at = end;
	uint64_t word, wrong = 0;

	while (ptr_diff(at, from) >= sizeof word) {
		at -= sizeof word;
		memcpy(&word, at, sizeof word);
		wrong |= word ^ with;
	}
	const size_t rest = ptr_diff(at, from);
	return wrong == 0 && memcmp(from, (const char *)&with + sizeof with - rest, rest) == 0;
}

void canary_fill(const void *p, char *from, char *end)
{
	fill(from, end, canary_filling(canary_value(hardening.key, p)));
}

bool canary_is_filled_by(const struct canary_key *k, const void *p, const char *from,
    const char *end)
{
	return is_filled(from, end, canary_filling(canary_value(k, p)));
}

bool canary_is_filled(const void *p, const char *from, const char *end)
{
	for (const struct canary_key *k = hardening.key; k >= hardening.keys; k--)
		if (canary_is_filled_by(k, p, from, end))
			return true;
	return false;
}

/* ---- objects of slabs ------------------------------------------------------------------------ */

/* A long slack in all words but lane 1; the top bit of each byte stays. */
static uint64_t spread(size_t slack)
{
	return ((slack & 0x7f) | (slack >> 7 & 0x7f) << 8) * 0x0001000100010001u;
}

static canary_word long_lanes(uint64_t value, size_t code, size_t slack)
{
	canary_word lanes = canary_lanes(value, code);

	lanes[0] ^= spread(slack);
	lanes[1] ^= slack << SLACK_SHIFT;
	return lanes;
}

void canary_write_long(const struct canary_key *k, char *p, size_t n, size_t size,
    enum origin origin)
{
	const canary_word last = long_lanes(canary_value(k, p), (size_t)origin << 5, size - n);

	fill(p + n, p + size - CANARY_WORD, last[0]);
	memcpy(p + size - CANARY_WORD, &last, sizeof last);
}

/* The last 16 bytes of an object at p decoded with this key, and their right value if the canary is
 * intact. slack 0: it cannot be. */
static struct canary told_by(const struct canary_key *k, const char *p, size_t size,
    canary_word word, canary_word *wanted)
{
	const struct canary damaged = {0, ORIGIN_MALLOC};
	const uint64_t value = canary_value(k, p);
	const size_t code = (word[1] ^ value) >> 56, few = code & 31;
	canary_word lanes = canary_lanes(value, code);

	if (code >= ORIGINS << 5 || few > CANARY_LONG || few == 1)
		return damaged;
	if (few != 0) {
		*wanted = lanes;
		return (struct canary){few, (enum origin)(code >> 5)};
	}
	const size_t slack = (uint32_t)((word[1] ^ lanes[1]) >> SLACK_SHIFT);
	if (slack <= CANARY_LONG || slack > size)
		return damaged;
	*wanted = long_lanes(value, code, slack);
	return (struct canary){slack, (enum origin)(code >> 5)};
}

struct canary canary_read_by(const struct canary_key *k, const char *p, size_t size)
{
	canary_word word, wanted;
	memcpy(&word, p + size - CANARY_WORD, sizeof word);
	struct canary c = told_by(k, p, size, word, &wanted);

	if (c.slack == 0)
		return c;
	const canary_word wrong = (word ^ wanted) & canary_mask(min_size(c.slack, CANARY_WORD));
	if ((wrong[0] | wrong[1]) != 0 ||
	    (c.slack > CANARY_LONG &&
	        !is_filled(p + size - c.slack, p + size - CANARY_WORD, wanted[0])))
		c.slack = 0;
	return c;
}

/* The bytes up to the end that are as this key makes them, at most 16. */
static size_t agreeing_by(const struct canary_key *k, const char *p, size_t size)
{
	uint8_t at[CANARY_WORD], want[CANARY_WORD];
	canary_word word, wanted = {0};
	size_t n = 0;

	memcpy(&word, p + size - CANARY_WORD, sizeof word);
	const size_t most = min_size(told_by(k, p, size, word, &wanted).slack, CANARY_WORD);
	memcpy(at, &word, sizeof at);
	memcpy(want, &wanted, sizeof want);
	while (n < most && at[CANARY_WORD - 1 - n] == want[CANARY_WORD - 1 - n])
		n++;
	return n;
}

/* The bytes of a damaged canary behind the damage decode, by another key, as a whole shorter canary
 * once in 5,461 times.  So an older key must explain more bytes than the newest one. */
static bool is_better_by(const struct canary_key *k, const char *p, size_t size)
{
	return agreeing_by(k, p, size) > agreeing_by(hardening.key, p, size);
}

struct canary canary_read_any(const void *p, size_t size)
{
	struct canary c = canary_read_by(hardening.key, p, size);

	for (const struct canary_key *k = hardening.key; k > hardening.keys && c.slack == 0;)
		if (is_better_by(--k, p, size))
			c = canary_read_by(k, p, size);
	return c;
}

static bool plausible_by(const struct canary_key *k, const char *p, size_t size)
{
	uint8_t at[CANARY_WORD], want[CANARY_WORD];
	canary_word word, wanted;
	memcpy(at, p + size - CANARY_WORD, sizeof at);
	memcpy(&word, at, sizeof word);

	if (at[CANARY_WORD - 1] == 0)
		return true;
	const size_t slack = told_by(k, p, size, word, &wanted).slack;
	if (slack == 0)
		return false;
	memcpy(want, &wanted, sizeof want);
	for (size_t i = CANARY_WORD - min_size(slack, CANARY_WORD); i < CANARY_WORD; i++)
		if (at[i] != want[i] && at[i] != 0)
			return false;
	return true;
}

bool canary_plausible(const void *p, size_t size)
{
	if (plausible_by(hardening.key, p, size))
		return true;
	for (const struct canary_key *k = hardening.key; k > hardening.keys;)
		if (is_better_by(--k, p, size) && plausible_by(k, p, size))
			return true;
	return false;
}
