/* canary.c - canaries longer than a word: see canary.h. */
#include "slab/canary.h"

const uint8_t canary_ramp[2 * CANARY_WORD] = {[CANARY_WORD ... 2 * CANARY_WORD - 1] = 0xff};

void canary_fill(char *from, size_t len)
{
	memset(from, (int)(canary_bytes() & 0xff), min_size(len, CANARY_MOST));
}

bool canary_whole(const char *from, size_t len)
{
	const char c = (char)canary_bytes();

	for (size_t i = 0; i < min_size(len, CANARY_MOST); i++)
		if (from[i] != c)
			return false;
	return true;
}

static uint32_t hidden(size_t slack)
{
	return (uint32_t)slack ^ (uint32_t)(hardening.secret >> 16);
}

void canary_write_long(char *p, size_t n, size_t size)
{
	const size_t slack = size - n;
	char *const code = p + size - 1;

	if (slack > SLACK_SHORT) {
		const uint32_t word = hidden(slack);
		canary_fill(p + n, slack - CANARY_TAIL);
		memcpy(code - sizeof word, &word, sizeof word);
	} else {
		canary_fill(p + n, slack - 1);
	}
	*code = (char)canary_code(slack);
}

size_t canary_slack_long(const char *p, size_t size)
{
	const uint8_t code = (uint8_t)p[size - 1];
	size_t slack = (code ^ hardening.secret >> 8) & 0x7f;

	if ((code & 0x80) == 0)
		return 0;
	if (slack != 0)
		return slack <= size && canary_whole(p + size - slack, slack - 1) ? slack : 0;
	uint32_t word;
	memcpy(&word, p + size - CANARY_TAIL, sizeof word);
	slack = hidden(word);
	if (slack <= SLACK_SHORT || slack > size)
		return 0;
	return canary_whole(p + size - slack, slack - CANARY_TAIL) ? slack : 0;
}

bool canary_plausible(const void *last16, size_t size)
{
	uint8_t at[CANARY_WORD];
	memcpy(at, last16, sizeof at);
	const uint8_t code = at[CANARY_WORD - 1], c = (uint8_t)canary_bytes();
	const size_t slack = (code ^ hardening.secret >> 8) & 0x7f;
	uint32_t word;

	if (code == 0)
		return true;
	if ((code & 0x80) == 0 || slack > size)
		return false;
	if (slack == 0) { /* a long one: it stands in the four bytes before the code */
		memcpy(&word, at + CANARY_WORD - CANARY_TAIL, sizeof word);
		return hidden(word) > SLACK_SHORT && hidden(word) <= size;
	}
	for (size_t i = CANARY_WORD - min_size(slack, CANARY_WORD); i < CANARY_WORD - 1; i++)
		if (at[i] != c && at[i] != 0)
			return false;
	return true;
}
