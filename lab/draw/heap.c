/* heap.c - a whole heap: boxes if it is small, else its map with a close-up of one chunk above. */
#include "draw/rows.h"

enum { MARGIN = 2 };

bool draw_near(struct picture *part, struct picture_chunk near[DRAW_NEAR], const struct picture *p,
    uintptr_t addr)
{
	const struct picture_chunk *const c = picture_find(p, addr), *from = c, *to = c;

	if (c == NULL)
		return false;
	for (int n = 0; n < DRAW_NEAR / 2; n++) {
		const struct picture_chunk *const prev = picture_prev(p, from),
		    *const next = picture_next(p, to);
		from = prev != NULL ? prev : from;
		to = next != NULL ? next : to;
	}
	*part = (struct picture){.chunks = near, .pieces = p->pieces + from->first,
	    .piece_count = to->first + to->count - from->first,
	    .chunk_count = (size_t)(to - from) + 1};
	for (size_t i = 0; i < part->chunk_count; i++) {
		near[i] = from[i];
		near[i].first -= from->first;
	}
	return true;
}

void draw_around(FILE *out, const struct draw_style *s, const struct picture *p, uintptr_t addr,
    const struct draw_label *labels, size_t label_count)
{
	struct picture_chunk near[DRAW_NEAR];
	struct picture part;

	if (!draw_near(&part, near, p, addr))
		return;
	fprintf(out, "%*s%sp and its neighbours%s\n", MARGIN, "", look_dim(s), look_off(s));
	draw_boxes(out, s, &part, labels, label_count);
	fprintf(out, "%*s%sthe whole heap%s\n", MARGIN, "", look_dim(s), look_off(s));
}

void draw_heap(FILE *out, const struct draw_style *s, const struct picture *p,
    const struct draw_label *labels, size_t label_count)
{
	const uintptr_t first = label_count != 0 ? labels[0].mem : 0;

	if (draw_boxes_wanted(p, labels, label_count) <= DRAW_BOXES_MANY) {
		draw_boxes(out, s, p, labels, label_count);
		return;
	}
	if (first != 0)
		draw_around(out, s, p, first, labels, label_count);
	draw_map(out, s, p, first);
}
