/* table.h - rows and columns: aligned for a terminal, or as CSV.
 *
 * Cells are added from left to right; a row that is full begins the next.  Colour only on a
 * terminal without NO_COLOR; ASCII rules only.
 *
 * In text a table fits the screen.  The last column, if it is words, wraps.  A table that is still
 * too wide changes in this order, until it fits:
 *   1. the words of its titles stand below one another
 *   2. it is printed in parts, each with the first columns again (table_split)
 *   3. columns move to a line of their own below each row (table_below)
 *   4. columns are left out, and a line below the table names them (table_spare)
 *   5. the last column, if it is words, moves to a line of its own below each row
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

enum { TABLE_COLUMNS = 128 };

struct table {
	const struct column *column;
	size_t columns;
	struct cell *cell;
	size_t cells, room;
	bool below[TABLE_COLUMNS];
	unsigned char spare[TABLE_COLUMNS]; /* 1 is left out first; 0: never */
	size_t spares;
	size_t lead, part; /* lead 0: the table is never printed in parts */
};

void table_begin(struct table *t, const struct column *column, size_t columns);
void table_end(struct table *t);
__attribute__((format(printf, 2, 3))) void table_cell(struct table *t, const char *format, ...);
__attribute__((format(printf, 3, 4))) void table_paint(struct table *t, enum paint paint,
    const char *format, ...);

/* What happens to a table that is too wide for the screen; indices of columns. */

/* Move this column below each row. */
void table_below(struct table *t, size_t column);
/* Leave out `count` columns from `column` on, all of them or none.  What is named in the first call
 * is left out first. */
void table_spare(struct table *t, size_t column, size_t count);
/* Print the table in parts; the first `lead` columns begin each part, and `part` begins the second
 * (0: whatever does not fit in the first). */
void table_split(struct table *t, size_t lead, size_t part);

void table_text(const struct table *t, FILE *out);
void table_csv(const struct table *t, FILE *out);

/* The escape that begins a paint, or "" when `out` shall have none; PAINT_PLAIN ends one. */
const char *table_escape(FILE *out, enum paint paint);

#endif
