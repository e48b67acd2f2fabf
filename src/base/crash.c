/* crash.c - one line, async-signal-safe, then abort. */
#include "base/crash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sink {
	char  *at;
	size_t left; /* bytes, one more is kept for the end */
};

static void put(struct sink *s, const char *text, size_t n)
{
	if (n > s->left)
		n = s->left;
	memcpy(s->at, text, n);
	s->at += n;
	s->left -= n;
}

static void put_number(struct sink *s, uint64_t x, unsigned base)
{
	char digits[20];
	size_t n = sizeof digits;

	do {
		digits[--n] = "0123456789abcdef"[x % base];
		x /= base;
	} while (x != 0);
	put(s, digits + n, sizeof digits - n);
}

size_t crash_vformat(char *buf, size_t cap, const char *format, va_list args)
{
	struct sink s = {buf, cap - 1};
	va_list rest; /* a va_list parameter decays; its copy can be handed on */

	va_copy(rest, args);
	for (const char *f = format; *f != '\0'; f++) {
		if (*f != '%' || f[1] == '\0') {
			put(&s, f, 1);
			continue;
		}
		f++;
		switch (*f) {
		case 's': {
			const char *text = va_arg(rest, const char *);
			put(&s, text, strlen(text));
			break;
		}
		case 'p':
			put(&s, "0x", 2);
			put_number(&s, (uintptr_t)va_arg(rest, void *), 16);
			break;
		case 'u':
			put_number(&s, va_arg(rest, size_t), 10);
			break;
		default:
			put(&s, f, 1);
		}
	}
	va_end(rest);
	*s.at = '\0';
	return (size_t)(s.at - buf);
}

size_t crash_format(char *buf, size_t cap, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const size_t n = crash_vformat(buf, cap, format, args);
	va_end(args);
	return n;
}

/* Foreign text (settings, names of files) must not reach a terminal as commands: control bytes
 * become '?', also those of ISO 8859, alone or in UTF-8 (C2 80 to C2 9F). Other bytes from 0x80 on
 * are letters of UTF-8. */
static void disarm(char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const unsigned char c = (unsigned char)line[i];
		const bool c1 = c >= 0x80 && c < 0xa0;
		const bool inside = i > 0 && (unsigned char)line[i - 1] >= 0x80 &&
		    (unsigned char)line[i - 1] != 0xc2;
		if (c < ' ' || c == 0x7f || (c1 && !inside))
			line[i] = '?';
	}
}

static void say(const char *format, va_list args)
{
	const int saved = errno;
	char line[512] = "dmm: ";
	size_t n = 5 + crash_vformat(line + 5, sizeof line - 6, format, args);

	disarm(line, n);
	line[n++] = '\n';
	while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
		;
	errno = saved;
}

void crash_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void crash(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	abort();
}

void crash_assert(const char *cond, const char *file, int line)
{
	crash("broken invariant: %s at %s:%u", cond, file, (size_t)line);
}
