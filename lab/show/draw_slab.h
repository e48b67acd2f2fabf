/* draw_slab.h - slab's heap in a terminal, from its view: what it holds and why, its classes, whose
 * they are, where they lie.
 *
 *   live objects      31.2 MiB  69.0 %  ███████████▎      size   slabs    live      of     held
 *   free in slabs     11.2 MiB  24.7 %  ████               16       3   2,301   3,072  48 KiB  ███░
 *
 *   7f2c00200000 ·█▓▓░▁━━━━━━━━××···        a cell is a granule, or an equal share of them
 */
#ifndef LAB_SHOW_DRAW_SLAB_H
#define LAB_SHOW_DRAW_SLAB_H

#include "draw/draw.h"
#include "inspect/inspect.h"

/* Heights in rows; what is left out is said in the last. */
void draw_slab_split(FILE *out, const struct draw_style *s, const struct outside_view *v);

enum slab_order { SLAB_BY_SIZE, SLAB_BY_HELD, SLAB_BY_LIVE, SLAB_BY_FREE, SLAB_ORDERS };
const char *slab_order_name(enum slab_order order);
void draw_slab_classes(FILE *out, const struct draw_style *s, const struct outside_view *v,
    enum slab_order order, size_t rows);
void draw_slab_heaps(FILE *out, const struct draw_style *s, const struct outside_view *v,
    size_t rows);

void draw_slab_map(FILE *out, const struct draw_style *s, const struct outside_view *v,
    uint64_t marked,
    size_t rows);
void draw_slab_legend(FILE *out, const struct draw_style *s, const struct outside_view *v);

/* The slabs of one class (or all with `cls` < 0) with every object as a glyph; names where
 * labels are. */
void draw_slab_objects(FILE *out, const struct draw_style *s, const struct outside_view *v, int cls,
    const struct draw_label *labels, size_t label_count, size_t slabs);
/* One of them, and what the glyphs of all of them mean. */
void draw_slab_run(FILE *out, const struct draw_style *s, const struct outside_view *v,
    const struct outside_run *run, const struct draw_label *labels, size_t label_count);
void draw_slab_object_legend(FILE *out, const struct draw_style *s);
/* The run that contains an address, or NULL. */
const struct outside_run *outside_find_run(const struct outside_view *v, uint64_t addr);

/* Glyphs of granules, as cells of a map. */
enum slab_look { SLAB_UNUSED, SLAB_DIRTY, SLAB_EMPTY, SLAB_QUARTER, SLAB_HALF, SLAB_MOST,
    SLAB_FULL_LOOK,
	SLAB_LARGE, SLAB_TORN, SLAB_LOOKS };
const char *slab_glyph(const struct draw_style *s, enum slab_look look);
const char *slab_colour(const struct draw_style *s, enum slab_look look);

/* "12,345" into buf, which is returned. */
char *slab_count(char buf[32], uint64_t n);

#endif
