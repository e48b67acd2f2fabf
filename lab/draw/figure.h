/* figure.h - drawings for paper: the boxes of draw.h as SVG or as TikZ, one call below the other.
 *
 *   figure_begin --> figure_title, figure_text, figure_heap ... for each call --> figure_end
 *
 * SVG is a file of its own.  TikZ is one tikzpicture a call, for a document that has
 * \usepackage{tikz}; colours are defined before the first.
 */
#ifndef LAB_DRAW_FIGURE_H
#define LAB_DRAW_FIGURE_H

#include "draw/draw.h"

enum figure_format { FIGURE_SVG, FIGURE_TIKZ };
enum figure_text { FIGURE_STEP, FIGURE_CAPTION, FIGURE_NOTE };

struct drawn_figure;

/* width: columns of boxes.  `out` stays the caller's.  Ends the program without memory. */
struct drawn_figure *figure_begin(FILE *out, enum figure_format format, size_t width);
/* A call begins. */
void figure_title(struct drawn_figure *f, const char *text);
/* A line, or several that '\n' parts. */
void figure_text(struct drawn_figure *f, enum figure_text kind, const char *text);
/* All boxes; of a heap with more than DRAW_BOXES_MANY those near the first label's, and a bar of
 * the whole heap. */
void figure_heap(struct drawn_figure *f, const struct picture *p, size_t unit,
    const struct draw_label *labels, size_t label_count);
/* The legend; false: `out` could not be written. */
bool figure_end(struct drawn_figure *f);

#endif
