/* picture.h - the heap before and after the failing call: as the design's walk tells it, and as the
 * program holds it. */
#ifndef LAB_LESSON_PICTURE_H
#define LAB_LESSON_PICTURE_H

#include "draw/draw.h"
#include "lesson/shrink.h"

/* Draw what x found: text at `before` and `after`, which the caller frees.  "" where there is
 * nothing to draw: the call never came back, or it is the first one. */
struct lesson_pictures {
	char *before, *after;
	bool walked; /* by the design's walk; false: it has none, or it crashed or did not end */
};
struct lesson_pictures lesson_draw(const struct shrink *x, const struct draw_style *style);

/* The live objects, a row each, so that those which share bytes are seen to. */
void draw_objects(FILE *out, const struct draw_style *s, const struct shadow *shadow,
    const struct script_step *step, size_t count);

#endif
