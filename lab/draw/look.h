/* look.h - the glyphs and colours of the parts of a heap: shared by boxes, map and legend. */
#ifndef LAB_DRAW_LOOK_H
#define LAB_DRAW_LOOK_H

#include "draw/draw.h"

enum look {
	LOOK_HEADER,
	LOOK_PAYLOAD,
	LOOK_WASTE, /* usable, but nobody asked for it */
	LOOK_FREE,
	LOOK_LINKS,
	LOOK_FOOTER,
	LOOK_FENCE, /* where the heap ends, or foreign bytes begin */
	LOOK_TABLE, /* metadata that belongs to no chunk */
	LOOK_PAD,
	LOOK_COUNT,
};

enum edge { EDGE_NONE, EDGE_INNER, EDGE_CHUNK };

enum look look_of(const struct dmm_piece *piece);
/* The same, seen in its heap: a header of no chunk is where the heap ends. */
enum look look_in(const struct picture *p, const struct dmm_piece *piece);
const char *look_glyph(const struct draw_style *s, enum look look);
const char *look_name(enum look look);
const char *look_on(const struct draw_style *s, enum look look); /* escape sequence, or "" */
const char *look_off(const struct draw_style *s);
const char *look_dim(const struct draw_style *s);

/* Glyphs that only boxes need. */
const char *look_arrow(const struct draw_style *s, bool back);
const char *look_dots(const struct draw_style *s);

#endif
