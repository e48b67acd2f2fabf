/* rows.h - a picture as rows of columns, cut to a width: for the terminal and for figures. */
#ifndef LAB_DRAW_ROWS_H
#define LAB_DRAW_ROWS_H

#include "draw/look.h"

enum { DRAW_GLYPH = 4 /* bytes of UTF-8, with the end */ };

/* A column is COLUMN_BYTES of the heap, or a line between two boxes. */
struct draw_column {
	char      glyph[DRAW_GLYPH];
	enum look look;
	enum edge edge; /* a line that parts boxes, instead of content */
	char      name[DRAW_GLYPH];
};

struct draw_sink {
	void *arg;
	/* A region begins: where it lies, and how long it is. */
	void (*heading)(void *arg, const char *text);
	void (*row)(void *arg, const struct draw_column *columns, size_t count);
};

/* Call the sink for every region and row; nothing for an empty picture. */
void draw_rows(const struct draw_sink *sink, const struct draw_style *s, const struct picture *p,
    const struct draw_label *labels, size_t label_count);

/* The chunk at addr and two neighbours on each side, as a picture of its own that borrows p's
 * pieces, with chunks in near.  False: there is no such chunk. */
enum { DRAW_NEAR = 5 };
bool draw_near(struct picture *part, struct picture_chunk near[DRAW_NEAR], const struct picture *p,
    uintptr_t addr);

#endif
