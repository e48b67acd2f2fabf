/* screen.c - see screen.h. */
#include "cli/screen.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"

enum { SENTENCE_MOST = 100, COLUMNS_MOST = 10000 };

/* 0: COLUMNS does not say. */
static size_t columns_said(void)
{
	const char *const columns = getenv("COLUMNS");
	char *end;

	if (columns == NULL || columns[0] < '0' || columns[0] > '9')
		return 0;
	const unsigned long n = strtoul(columns, &end, 10);
	return *end == '\0' ? min_size(n, COLUMNS_MOST) : 0;
}

size_t screen_width(FILE *out)
{
	struct winsize size;
	const bool terminal = isatty(fileno(out));

	if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	const size_t said = columns_said();
	if (said > 0)
		return said;
	return terminal ? SCREEN_USUAL_WIDTH : SCREEN_NO_LIMIT;
}

/* A character takes one column: its first byte counts, and UTF-8's continuation bytes do not. */
static bool begins_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

size_t screen_columns(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += begins_character(text[i]);
	return n;
}

size_t screen_cut(const char *text, size_t columns)
{
	size_t len = 0;

	for (size_t used = 0; text[len] != '\0'; len++) {
		used += begins_character(text[len]);
		if (used > columns)
			break;
	}
	return len;
}

static bool is_number(const char *word, size_t len)
{
	return len > 0 && strspn(word, "+-0123456789.,") >= len && word[len - 1] >= '0' &&
	    word[len - 1] <= '9';
}

/* Bytes of the first word, or, of settings that no line can hold, those up to the last comma that
 * fits. */
static size_t unquoted_length(const char *text, size_t width)
{
	const size_t word = strcspn(text, " "), fits = screen_cut(text, width);
	size_t part = word;

	if (word <= fits)
		return word;
	for (size_t i = 0; i < fits; i++)
		if (text[i] == ',')
			part = i + 1;
	return part;
}

/* Bytes of the first word. Words in single quotes, such as a command, are one word if they fit in a
 * line, since readers copy them. */
static size_t word_length(const char *text, size_t width)
{
	const size_t alone = unquoted_length(text, width);
	const char *quote = text + strspn(text, "(");

	if (*quote != '\'')
		return alone;
	do
		quote = strchr(quote + 1, '\'');
	while (quote != NULL && isalnum((unsigned char)quote[1])); /* an apostrophe */
	if (quote == NULL)
		return alone;
	const size_t quoted = (size_t)(quote - text) + strcspn(quote, " ");
	return screen_columns(text, quoted) <= width ? quoted : alone;
}

size_t screen_line(const char *text, size_t width)
{
	size_t line = word_length(text, width), without_number = 0;

	while (text[line] != '\0') {
		const size_t next = line + strspn(text + line, " ");
		const size_t end = next + word_length(text + next, width);
		if (end == next || screen_columns(text, end) > width)
			break;
		without_number = is_number(text + next, end - next) ? line : 0;
		line = end;
	}
	return text[line] != '\0' && without_number > 0 ? without_number : line;
}

void screen_text(FILE *out, size_t indent, const char *text)
{
	const size_t all = screen_width(out);
	const size_t width = isatty(fileno(out)) ? min_size(all, SENTENCE_MOST) : all;

	for (;;) {
		const size_t line = screen_line(text, width > indent ? width - indent : 1);
		fwrite(text, 1, line, out);
		fputc('\n', out);
		text += line;
		text += strspn(text, " ");
		if (*text == '\0')
			return;
		fprintf(out, "%*s", (int)indent, "");
	}
}

void screen_words(FILE *out, size_t indent, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	CHECK(vasprintf(&text, format, args) >= 0);
	va_end(args);
	screen_text(out, indent, text);
	free(text);
}
