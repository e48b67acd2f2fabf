/* slab.h - slab's own heap in this process for demos and recordings: described and drawn from the
 * inspector's view (inspect/inspect.h) before and after a call. */
#ifndef LAB_SHOW_SLAB_H
#define LAB_SHOW_SLAB_H

#include "show/draw_slab.h"
#include "draw/narrate.h"

struct slab_scene {
	struct outside outside;
	struct outside_view before, now;
};

/* Is it slab, which no walk shows as well as its own records do? */
bool slab_scene_serves(const struct dmm_system *sys);

/* The heap as it is now; what was now becomes before.  The scene is zeroed at first. */
void slab_scene_look(struct slab_scene *scene);
void slab_scene_drop(struct slab_scene *scene);

/* The work of a call, in steps and captions. */
void slab_scene_tell(FILE *out, const struct draw_style *s, const struct slab_scene *scene,
    const struct tell_call *call);
/* A few slabs, every object: for demos. */
void slab_scene_draw_small(FILE *out, const struct draw_style *s, const struct slab_scene *scene,
    const struct draw_label *labels, size_t label_count);
/* Everything, the slab of `p` in detail. */
void slab_scene_draw(FILE *out, const struct draw_style *s, const struct slab_scene *scene,
    const struct draw_label *label, uint64_t p);

#endif
