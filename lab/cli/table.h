/* table.h - rows and columns: aligned for a terminal, or as CSV.
 *
 * Cells are added from left to right; a row that is full begins the next.  In text the last column
 * may wrap at words.  Colour only on a terminal without NO_COLOR; ASCII rules only.
 */
#ifndef LAB_CLI_TABLE_H
#define LAB_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct column {
	const char *title;
	bool right; /* numbers stand to the right */
};

enum paint { PAINT_PLAIN, PAINT_GOOD, PAINT_BAD, PAINT_DIM };

struct cell {
	char *text;
	enum paint paint;
};

struct table {
	const struct column *column;
	size_t columns;
	struct cell *cell;
	size_t cells, room;
};

void table_begin(struct table *t, const struct column *column, size_t columns);
void table_end(struct table *t);
__attribute__((format(printf, 2, 3))) void table_cell(struct table *t, const char *format, ...);
__attribute__((format(printf, 3, 4))) void table_paint(struct table *t, enum paint paint,
    const char *format, ...);

void table_text(const struct table *t, FILE *out);
void table_csv(const struct table *t, FILE *out);

/* The width of `out` in columns: the terminal's, or 100. */
size_t table_width(FILE *out);
/* The escape that begins a paint, or "" when `out` shall have none; PAINT_PLAIN ends one. */
const char *table_escape(FILE *out, enum paint paint);

#endif
