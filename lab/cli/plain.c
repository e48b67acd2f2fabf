/* plain.c - see plain.h. */
#include "cli/plain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

enum { BUFFERS = 8, ESCAPED = 4 }; /* \x1b */

size_t plain_decode(const char *text, unsigned *character)
{
	const unsigned char *const s = (const unsigned char *)text;
	const size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0
	    ? 3
	    : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
	unsigned c = n <= 1 ? s[0] : s[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	*character = c;
	return n;
}

bool plain_is_command(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f || c == 0x061c ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Bytes at s that may be printed as they are; 0: *s may not. */
static size_t harmless(const char *s, bool lines)
{
	unsigned c;
	const size_t n = plain_decode(s, &c);

	return n != 0 && plain_is_command(c) && !(lines && (c == '\n' || c == '\t')) ? 0 : n;
}

static char *escape(char *to, unsigned char byte)
{
	if (byte == '\n' || byte == '\t')
		return to + sprintf(to, "\\%c", byte == '\n' ? 'n' : 't');
	return to + sprintf(to, "\\x%02x", byte);
}

void plain_put(FILE *out, const char *text)
{
	char escaped[ESCAPED + 1];

	while (*text != '\0') {
		const size_t n = harmless(text, true);
		if (n == 0)
			fwrite(escaped, 1, (size_t)(escape(escaped,
			    (unsigned char)*text) - escaped), out);
		fwrite(text, 1, n, out);
		text += n != 0 ? n : 1;
	}
}

static const char *made_plain(const char *text, bool lines)
{
	static _Thread_local char *buffer[BUFFERS];
	static _Thread_local unsigned next;
	const char *s = text;
	size_t n = 1;

	while (*s != '\0' && n != 0)
		s += n = harmless(s, lines);
	if (*s == '\0')
		return text;
	char **const mine = &buffer[next++ % BUFFERS];
	free(*mine);
	char *to = *mine = malloc(ESCAPED * strlen(text) + 1);
	CHECK(to != NULL);
	for (s = text; *s != '\0';) {
		n = harmless(s, lines);
		if (n == 0)
			to = escape(to, (unsigned char)*s++);
		for (; n > 0; n--)
			*to++ = *s++;
	}
	*to = '\0';
	return *mine;
}

const char *plain(const char *text)
{
	return made_plain(text, false);
}

const char *plain_lines(const char *text)
{
	return made_plain(text, true);
}
