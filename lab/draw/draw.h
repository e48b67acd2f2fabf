/* draw.h - a heap of any system, drawn in a terminal from its picture.
 *
 *      p1                p3
 *   ┏━━┯━━━━━━┯━━┳━━┯━━┯━━┳━━┯━━━━━━━━┯━━┓    one column is 8 bytes; heavy lines part chunks,
 *   ┃hh│▒▒▒▒▒▒│ff┃h→│··│←f┃hh│▒▒▒▒▒▒▒▒│ff┃    light ones what a chunk is made of
 *   ┗━━┷━━━━━━┷━━┻━━┷━━┷━━┻━━┷━━━━━━━━┷━━┛
 *
 * Long pieces are shortened and say how long they are; runs of equal chunks are counted.  A heap
 * of thousands of chunks is drawn as a map instead: one cell an equal share of the addresses.
 */
#ifndef LAB_DRAW_DRAW_H
#define LAB_DRAW_DRAW_H

#include <stdio.h>

#include "draw/snapshot.h"

/* More boxes than these are drawn as a map. */
enum { DRAW_WIDTH_MIN = 40, DRAW_BOXES_MANY = 60 };

struct draw_style {
	bool   colour, ascii;
	bool   fixed; /* the width was asked for: it does not follow the terminal's */
	size_t width; /* columns, at least DRAW_WIDTH_MIN */
	size_t rows;  /* of the screen that the drawing should fit; 0: it may be long */
	size_t unit;  /* the unit of sizes, in bytes; 0: bytes */
};

/* A name for a live chunk: what the program asked for it. */
struct draw_label {
	uintptr_t   mem;
	size_t      n; /* bytes; what is usable beyond is drawn as waste; 0: unknown */
	const char *text;
};

/* Colour if `out` is a terminal and NO_COLOR is not set; width 0: the terminal's, else 80. */
struct draw_style draw_style(FILE *out, bool ascii, size_t width);

/* The chunk at an address and its neighbours, as boxes: what a map is too small to show. */
void draw_around(FILE *out, const struct draw_style *s, const struct picture *p, uintptr_t addr,
    const struct draw_label *labels, size_t label_count);

/* Boxes if they fit some 12 rows, else the map, with the first label's chunk and its neighbours
 * above. */
void draw_heap(FILE *out, const struct draw_style *s, const struct picture *p,
    const struct draw_label *labels, size_t label_count);
void draw_boxes(FILE *out, const struct draw_style *s, const struct picture *p,
    const struct draw_label *labels, size_t label_count);
/* How many boxes draw_boxes() would draw; a run of equal chunks counts as two. */
size_t draw_boxes_wanted(const struct picture *p, const struct draw_label *labels,
    size_t label_count);
/* The cell of the address `marked` shows p; 0: none does. */
void draw_map(FILE *out, const struct draw_style *s, const struct picture *p, uintptr_t marked);

/* The kinds that occur in a picture, as a set of bits, and the legend of such a set. */
unsigned draw_kinds(const struct picture *p, const struct draw_label *labels, size_t label_count);
void draw_legend(FILE *out, const struct draw_style *s, unsigned kinds);

/* The free list, or every bin that is not empty, in the system's own order where it tells it. */
void draw_bins(FILE *out, const struct draw_style *s, const struct picture *p);

/* "3 units", "1.5", "64 bytes": into buf, which is returned. */
enum { DRAW_SIZE_TEXT = 32 };
const char *draw_size(char buf[DRAW_SIZE_TEXT], const struct draw_style *s, size_t bytes);

/* "…00040": the last digits of an address. */
const char *draw_address(char buf[DRAW_SIZE_TEXT], const struct draw_style *s, uintptr_t addr);

/* Text under a hanging indent, broken between words; not at a hard space. */
#define DRAW_HARD_SPACE "\1"
void draw_text(FILE *out, const struct draw_style *s, size_t indent, const char *text);
__attribute__((format(printf, 4, 5))) void draw_say(FILE *out, const struct draw_style *s,
    size_t indent, const char *format, ...);
/* The same in the colour of captions. */
__attribute__((format(printf, 3, 4))) void draw_caption(FILE *out, const struct draw_style *s,
    const char *format, ...);
/* An arrow, for "this, therefore that". */
const char *draw_then(const struct draw_style *s);

#endif
