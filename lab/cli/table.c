/* table.c - rows and columns. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bits.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "cli/plain.h"
#include "cli/screen.h"

enum { GAP = 2, WRAP_LEAST = 20, INDENT_BELOW = 4 };

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

const char *table_escape(FILE *out, enum paint paint)
{
	static const char *const escape[] = {"\033[0m", "\033[32m", "\033[31m", "\033[2m"};
	const char *const no = getenv("NO_COLOR");

	if ((no != NULL && no[0] != '\0') || !isatty(fileno(out)))
		return "";
	return escape[paint];
}

/* ---- a table that fits the screen ------------------------------------------------------------ */

struct table_fit {
	const struct table *t;
	size_t screen;
	size_t width[TABLE_COLUMNS];
	bool hidden[TABLE_COLUMNS]; /* left out, or in another part */
	bool below[TABLE_COLUMNS];
	bool stacked; /* titles have several lines */
};

void table_below(struct table *t, size_t column)
{
	CHECK(column < t->columns);
	t->below[column] = true;
}

void table_spare(struct table *t, size_t column, size_t count)
{
	CHECK(column + count <= t->columns);
	t->spares++;
	for (size_t i = column; i < column + count; i++)
		t->spare[i] = (unsigned char)t->spares;
}

void table_split(struct table *t, size_t lead, size_t part)
{
	CHECK(lead < t->columns && part < t->columns);
	t->lead = lead;
	t->part = part;
}

static size_t shown(const char *text)
{
	return screen_columns(text, strlen(text));
}

static size_t longest_word(const char *text)
{
	size_t longest = 0;

	while (*text != '\0') {
		const size_t n = strcspn(text, " ");
		longest = max_size(longest, screen_columns(text, n));
		text += n;
		text += strspn(text, " ");
	}
	return longest;
}

static void measure(struct table_fit *l)
{
	const struct table *const t = l->t;

	for (size_t i = 0; i < t->columns; i++) {
		const char *const title = t->column[i].title;
		l->width[i] = l->stacked ? longest_word(title) : shown(title);
		for (size_t k = i; k < t->cells; k += t->columns)
			l->width[i] = max_size(l->width[i], shown(t->cell[k].text));
	}
}

static bool is_in_row(const struct table_fit *l, size_t column)
{
	return !l->hidden[column] && !l->below[column];
}

/* Words in the last column can wrap. */
static bool can_wrap(const struct table_fit *l, size_t column)
{
	for (size_t i = column + 1; i < l->t->columns; i++)
		if (is_in_row(l, i) && l->width[i] > 0)
			return false;
	return !l->t->column[column].right;
}

/* The width in which the column's words can wrap well. */
static size_t width_to_wrap(const struct table_fit *l, size_t column)
{
	size_t longest = 0;

	for (size_t k = column; k < l->t->cells; k += l->t->columns)
		longest = max_size(longest, longest_word(l->t->cell[k].text));
	return max_size(longest, min_size(l->width[column], WRAP_LEAST));
}

/* Columns of the screen that a row needs. */
static size_t needed(const struct table_fit *l)
{
	size_t sum = 0;

	for (size_t i = 0; i < l->t->columns; i++)
		if (is_in_row(l, i) && l->width[i] > 0)
			sum += (sum > 0 ? GAP : 0) +
			    (can_wrap(l, i) ? width_to_wrap(l, i) : l->width[i]);
	return sum;
}

/* Leave out columns until the rest fits.  Returns the width at which none is left out. */
static size_t leave_out(struct table_fit *l)
{
	const size_t all = needed(l);

	for (size_t rank = 1; rank <= l->t->spares && needed(l) > l->screen; rank++)
		for (size_t i = 0; i < l->t->columns; i++)
			l->hidden[i] |= l->t->spare[i] == rank;
	return all;
}

/* Steps 1, 3, 4 and 5 of table.h. */
static size_t fit(struct table_fit *l)
{
	const size_t last = l->t->columns - 1;

	measure(l);
	if (needed(l) > l->screen) {
		l->stacked = true;
		measure(l);
	}
	if (needed(l) <= l->screen || l->t->lead > 0)
		return needed(l);
	memcpy(l->below, l->t->below, sizeof l->below);
	const size_t all = leave_out(l);
	if (needed(l) > l->screen && can_wrap(l, last) && last > 0)
		l->below[last] = true;
	return all;
}

static void put_padded(FILE *out, const char *text, size_t width, bool right, bool last)
{
	const size_t pad = width > shown(text) ? width - shown(text) : 0;
	fprintf(out, "%*s%s%*s", right ? (int)pad : 0, "", text, right || last ? 0 : (int)pad, "");
}

/* Words, continued under their own first letter. */
static void put_wrapped(FILE *out, const char *text, size_t indent, size_t screen)
{
	while (*text != '\0') {
		const size_t line = screen_line(text, screen > indent ? screen - indent : 1);
		fwrite(text, 1, line, out);
		text += line;
		text += strspn(text, " ");
		if (*text != '\0')
			fprintf(out, "\n%*s", (int)indent, "");
	}
}

/* Has the row nothing to show in the columns from `column` on? */
static bool rest_is_empty(const struct table_fit *l, const struct cell *row, size_t column)
{
	for (size_t i = column; i < l->t->columns; i++)
		if (is_in_row(l, i) && row[i].text[0] != '\0')
			return false;
	return true;
}

static void paint(FILE *out, enum paint paint, bool begin)
{
	if (paint != PAINT_PLAIN)
		fputs(table_escape(out, begin ? paint : PAINT_PLAIN), out);
}

static void put_row(FILE *out, const struct table_fit *l, const struct cell *row)
{
	const struct table *const t = l->t;
	size_t indent = 0;

	for (size_t i = 0; i < t->columns && !rest_is_empty(l, row, i); i++) {
		if (!is_in_row(l, i) || l->width[i] == 0)
			continue;
		const bool last = rest_is_empty(l, row, i + 1);
		paint(out, row[i].paint, true);
		if (can_wrap(l, i) && indent < l->screen)
			put_wrapped(out, row[i].text, indent, l->screen);
		else
			put_padded(out, row[i].text, l->width[i], t->column[i].right, last);
		paint(out, row[i].paint, false);
		indent += l->width[i] + GAP;
		if (!last)
			fprintf(out, "%*s", GAP, "");
	}
	fputc('\n', out);
}

static void put_below(FILE *out, const struct table_fit *l, const struct cell *row)
{
	for (size_t i = 0; i < l->t->columns; i++) {
		if (l->hidden[i] || !l->below[i] || row[i].text[0] == '\0')
			continue;
		fprintf(out, "%*s", INDENT_BELOW, "");
		paint(out, row[i].paint, true);
		put_wrapped(out, row[i].text, INDENT_BELOW, l->screen);
		paint(out, row[i].paint, false);
		fputc('\n', out);
	}
}

static size_t lines_of(const char *text, size_t width)
{
	size_t lines = 0;

	for (; *text != '\0'; lines++) {
		text += screen_line(text, width);
		text += strspn(text, " ");
	}
	return lines;
}

/* One line of a title that has several. */
static struct cell title_line(const char *title, size_t width, size_t line)
{
	size_t n;

	for (;; line--) {
		n = screen_line(title, width);
		if (line == 0)
			break;
		title += n;
		title += strspn(title, " ");
	}
	char *const text = strndup(title, n);
	CHECK(text != NULL);
	return (struct cell){.text = text, .paint = PAINT_DIM};
}

/* The titles end in the same line. */
static void put_head(FILE *out, const struct table_fit *l)
{
	const struct table *const t = l->t;
	struct cell head[TABLE_COLUMNS];
	size_t lines = 1;

	for (size_t i = 0; i < t->columns; i++)
		if (is_in_row(l, i))
			lines = max_size(lines, lines_of(t->column[i].title, l->width[i]));
	for (size_t line = 0; line < lines; line++) {
		for (size_t i = 0; i < t->columns; i++) {
			const size_t first = lines - lines_of(t->column[i].title, l->width[i]);
			const bool empty = !is_in_row(l, i) || line < first;
			head[i] = title_line(empty ? "" : t->column[i].title, l->width[i],
			    empty ? 0 : line - first);
		}
		put_row(out, l, head);
		for (size_t i = 0; i < t->columns; i++)
			free(head[i].text);
	}
	for (size_t i = 0; i < t->columns; i++)
		head[i] = (struct cell){.text = (char *)t->column[i].title, .paint = PAINT_DIM};
	put_below(out, l, head);
}

static void put_all(FILE *out, const struct table_fit *l)
{
	const struct table *const t = l->t;

	put_head(out, l);
	for (size_t i = 0; i < t->cells; i += t->columns) {
		put_row(out, l, t->cell + i);
		put_below(out, l, t->cell + i);
	}
}

/* Step 2: show as many columns from `from` on as fit, at least one.  Returns the one after them. */
static size_t show_part(struct table_fit *l, size_t from)
{
	const size_t end = from < l->t->part ? l->t->part : l->t->columns;
	size_t next = from;

	for (size_t i = l->t->lead; i < l->t->columns; i++)
		l->hidden[i] = true;
	for (; next < end; next++) {
		l->hidden[next] = false;
		if (next > from && needed(l) > l->screen) {
			l->hidden[next] = true;
			break;
		}
	}
	return next;
}

static void put_parts(FILE *out, struct table_fit *l)
{
	for (size_t from = l->t->lead; from < l->t->columns;) {
		if (from != l->t->lead)
			fputc('\n', out);
		from = show_part(l, from);
		put_all(out, l);
	}
}

/* Which columns the reader does not see, and how to see them. */
static void put_left_out(FILE *out, const struct table_fit *l, size_t all)
{
	char *text = NULL;
	size_t len = 0, said = 0;
	FILE *const words = open_memstream(&text, &len);

	CHECK(words != NULL);
	for (size_t i = 0; i < l->t->columns; i++)
		if (l->hidden[i] && l->t->column[i].title[0] != '\0')
			fprintf(words, "%s%s", said++ == 0 ? "" : ", ", l->t->column[i].title);
	fclose(words);
	if (said > 0) {
		fputs(table_escape(out, PAINT_DIM), out);
		screen_words(out, 0, "left out at %zu columns: %s; %zu columns show all",
		    l->screen, text, all);
		fputs(table_escape(out, PAINT_PLAIN), out);
	}
	free(text);
}

void table_text(const struct table *t, FILE *out)
{
	struct table_fit l = {.t = t, .screen = screen_width(out)};

	CHECK(t->columns <= TABLE_COLUMNS);
	CHECK(t->cells % t->columns == 0);
	const size_t all = fit(&l);
	if (t->lead > 0 && all > l.screen) {
		put_parts(out, &l);
		return;
	}
	put_all(out, &l);
	put_left_out(out, &l, all);
}

/* ---- CSV ------------------------------------------------------------------------------------- */

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
