/* figure_paper.h - the paper of figure.c: it draws rectangles, lines and words at places, in SVG
 * or TikZ.
 *
 * x and y in points of the page, y downwards.
 */
#ifndef LAB_DRAW_FIGURE_PAPER_H
#define LAB_DRAW_FIGURE_PAPER_H

#include "draw/figure.h"
#include "draw/look.h"

enum paper_font { PAPER_TITLE, PAPER_TEXT, PAPER_STRONG, PAPER_NOTE, PAPER_NAME, PAPER_BOX,
	PAPER_BOX_ON, /* on payload, which is dark by day */

    PAPER_FONTS };
enum paper_anchor { PAPER_LEFT, PAPER_MIDDLE };

struct paper {
	FILE *out;
	void (*box)(FILE *out, double x, double y, double w, double h, enum look look);
	/* a frame around a chunk, or a line between two parts of it */
	void (*frame)(FILE *out, double x, double y, double w, double h);
	void (*line)(FILE *out, double x, double y, double h);
	void (*words)(FILE *out, double x, double y, enum paper_font font, enum paper_anchor anchor,
	    const char *text);
	/* around the whole, and around each call */
	void (*begin)(FILE *out, double width, double height);
	void (*end)(FILE *out);
	void (*call_begin)(FILE *out);
	void (*call_end)(FILE *out);
};

extern const struct paper paper_svg, paper_tikz;

#endif
