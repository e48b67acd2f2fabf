/* screen.h - how wide the reader's screen is, and text that fits it.
 *
 * The width is that of the terminal; for a pipe or a file it is what COLUMNS says.  Without COLUMNS
 * it has no limit: a row and a sentence are one line each, so that a script finds them.
 * Sentences on a terminal end at 100 columns at most: longer lines are hard to read.
 */
#ifndef LAB_CLI_SCREEN_H
#define LAB_CLI_SCREEN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SCREEN_NO_LIMIT SIZE_MAX
enum { SCREEN_USUAL_WIDTH = 80 };

/* The width of `out` in columns, or SCREEN_NO_LIMIT. */
size_t screen_width(FILE *out);

/* Columns that these bytes of UTF-8 take; each character counts as one. */
size_t screen_columns(const char *text, size_t len);
/* Bytes of the longest beginning of `text` that takes at most `columns`: whole characters. */
size_t screen_cut(const char *text, size_t columns);

/* Bytes of the first line of `text` where lines have `width` columns: whole words, at least one.  A
 * number stays with the word after it, which may be its unit; words in single quotes stay
 * together if they fit in a line.  Settings that no line can hold are broken after a comma. */
size_t screen_line(const char *text, size_t width);

/* Print words as far as they fit in a line, then go on below the text's first letter, which stands
 * in column `indent`: the caller has printed so much of the line.  Ends the line. */
void screen_text(FILE *out, size_t indent, const char *text);
__attribute__((format(printf, 3, 4))) void screen_words(FILE *out, size_t indent,
    const char *format, ...);

#endif
