/* table.c - rows and columns. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "cli/plain.h"

enum { COLUMNS_MAX = 32, GAP = 2, WIDTH_OF_NO_TERMINAL = 100, WRAP_LEAST = 20 };

void table_begin(struct table *t, const struct column *column, size_t columns)
{
	*t = (struct table){.column = column, .columns = columns};
}

void table_end(struct table *t)
{
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i].text);
	free(t->cell);
	*t = (struct table){0};
}

static void add(struct table *t, enum paint paint, const char *format, va_list args)
{
	ARRAY_GROW(t->cell, t->room, t->cells + 1);
	struct cell *const c = &t->cell[t->cells++];
	c->paint = paint;
	CHECK(vasprintf(&c->text, format, args) >= 0);
	const char *const shown_text = plain(c->text);
	if (shown_text == c->text)
		return;
	free(c->text);
	CHECK((c->text = strdup(shown_text)) != NULL);
}

void table_cell(struct table *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(t, PAINT_PLAIN, format, args);
	va_end(args);
}

void table_paint(struct table *t, enum paint paint, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	add(t, paint, format, args);
	va_end(args);
}

size_t table_width(FILE *out)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return WIDTH_OF_NO_TERMINAL;
}

const char *table_escape(FILE *out, enum paint paint)
{
	static const char *const escape[] = {"\033[0m", "\033[32m", "\033[31m", "\033[2m"};
	const char *const no = getenv("NO_COLOR");

	if ((no != NULL && no[0] != '\0') || !isatty(fileno(out)))
		return "";
	return escape[paint];
}

/* Columns on the screen: UTF-8's continuation bytes take none. */
static size_t shown(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = shown(t->column[column].title);
	for (size_t i = column; i < t->cells; i += t->columns)
		width = max_size(width, shown(t->cell[i].text));
	return width;
}

static void put_padded(FILE *out, const char *text, size_t width, bool right, bool last)
{
	const size_t pad = width > shown(text) ? width - shown(text) : 0;
	fprintf(out, "%*s%s%*s", right ? (int)pad : 0, "", text, right || last ? 0 : (int)pad, "");
}

/* The last column: words as long as they fit, continued under its own first letter. */
static void put_wrapped(FILE *out, const char *text, size_t indent, size_t width)
{
	size_t used = 0;

	while (*text != '\0') {
		const size_t word = strcspn(text, " ");
		if (used > 0 && used + 1 + word > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			used = 0;
		}
		fprintf(out, "%s%.*s", used > 0 ? " " : "", (int)word, text);
		used += word + (used > 0);
		text += word;
		text += strspn(text, " ");
	}
}

static bool rest_is_empty(const struct cell *row, size_t columns)
{
	for (size_t i = 0; i < columns; i++)
		if (row[i].text[0] != '\0')
			return false;
	return true;
}

static void put_row(FILE *out, const struct table *t, const struct cell *row, const size_t *width)
{
	const size_t last = t->columns - 1;
	size_t indent = 0;

	for (size_t i = 0; i < t->columns && !rest_is_empty(row + i, t->columns - i); i++) {
		const char *const escape = table_escape(out, row[i].paint);
		fputs(row[i].paint != PAINT_PLAIN ? escape : "", out);
		const size_t screen = table_width(out);
		if (i == last && !t->column[i].right && indent + WRAP_LEAST < screen)
			put_wrapped(out, row[i].text, indent, screen - indent);
		else
			put_padded(out, row[i].text, width[i], t->column[i].right,
			    rest_is_empty(row + i + 1, last - i));
		fputs(row[i].paint != PAINT_PLAIN ? table_escape(out, PAINT_PLAIN) : "", out);
		indent += width[i] + GAP;
		if (!rest_is_empty(row + i + 1, last - i))
			fprintf(out, "%*s", GAP, "");
	}
	fputc('\n', out);
}

void table_text(const struct table *t, FILE *out)
{
	size_t width[COLUMNS_MAX];
	struct cell head[COLUMNS_MAX];

	CHECK(t->columns <= COLUMNS_MAX);
	CHECK(t->cells % t->columns == 0);
	for (size_t i = 0; i < t->columns; i++) {
		width[i] = column_width(t, i);
		head[i] = (struct cell){.text = (char *)t->column[i].title, .paint = PAINT_DIM};
	}
	put_row(out, t, head, width);
	for (size_t i = 0; i < t->cells; i += t->columns)
		put_row(out, t, t->cell + i, width);
}

static void put_csv(FILE *out, const char *text, char after)
{
	if (strpbrk(text, ",\"\n") == NULL) {
		fputs(text, out);
	} else {
		fputc('"', out);
		for (; *text != '\0'; text++)
			fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
		fputc('"', out);
	}
	fputc(after, out);
}

void table_csv(const struct table *t, FILE *out)
{
	for (size_t i = 0; i < t->columns; i++)
		put_csv(out, t->column[i].title, i + 1 < t->columns ? ',' : '\n');
	for (size_t i = 0; i < t->cells; i++)
		put_csv(out, t->cell[i].text, (i + 1) % t->columns != 0 ? ',' : '\n');
}
