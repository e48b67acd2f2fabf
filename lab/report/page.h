/* page.h - the page: HTML that stands alone, pictures that stand still, tiles for the script.
 *
 *   template    <!--dmm:title-->  <!--dmm:body-->  <!--dmm:data-->   web/dist/report.html
 *   body        headings, sentences, tables, SVG: all that one without JavaScript, or a printer,
 *               gets
 *   data        one JSON object, and tiles: typed arrays, bytes sorted by significance, deflated,
 *               base64
 */
#ifndef LAB_REPORT_PAGE_H
#define LAB_REPORT_PAGE_H

#include "diagnose/diagnose.h"
#include "run/provenance.h"
#include "report/report.h"
#include "replay/native.h"
#include "report/compare.h"
#include "report/score.h"
#include "trace/symbols.h"

/* The page is smaller, however long the recording. */
#define REPORT_PAGE_MAX ((size_t)8 << 20)

#define REPORT_SYSTEMS "slab,gnu" /* that a page shows by itself */
#define REPORT_STUDY   "slab,gnu,bins,segmeta" /* with designs for study */
enum { REPORT_FRAMES = 6, REPORT_LIMIT_S = 600 };

/* A call site with names, for tables: innermost frame first. */
struct named_site {
	uint32_t stack;
	size_t frames;
	const char *frame[REPORT_FRAMES];
	const char *who; /* the first frame that is not a mere wrapper of malloc */
};

struct report {
	const char *title; /* the command, or the recording's name */
	const struct report_survey *survey;    /* NULL: a comparison without a recording */
	const struct diagnosis *diagnosis;     /* NULL likewise */
	const struct report_design *designs;
	size_t design_count;
	const struct report_scores *scores;    /* NULL: nothing was measured */
	const struct native *native;           /* with memory over time; NULL: none */
	struct provenance provenance;
	struct symbols *symbols;
	char recorded[64]; /* when, or "" */
	char program[512], recorded_on[256];
	bool scrubbed;
};

struct report_plan {
	const char *systems, *peers;
	size_t runs, warm; /* SIZE_MAX: not said */
	double timeout_s;
};

struct report_order {
	const char *path, *output, *systems;
	const char *title; /* of a program without a name of its own; NULL: the path */
	double limit_s;    /* for the model of a design */
	struct report_plan plan;
	const struct report_scores *scores; /* measured already; NULL: as the plan says */
};

/* The page of a recording; ends the program if there can be none.  Returns the exit status: a
 * damaged recording is a fault, though what comes before the damage is on the page. */
int report_make(const struct report_order *q);

/* Write the page to `path`.  False: *why says what went wrong. */
bool report_write(struct report *r, const char *path, char *why, size_t cap);

/* ---- its parts ------------------------------------------------------------------------------- */

/* Write to another name in the same folder, then rename: no half of a page is ever left under
 * `path`. Returns false with the reason. */
bool page_store(const char *path, const char *text, size_t len, char *why, size_t cap);

void page_text(FILE *out, const char *text); /* escaped */
struct named_site page_site(const struct report *r, uint32_t stack);
/* The design that a reader should look at first: the first that went well; NULL: none did. */
const struct report_design *page_first(const struct report *r);
/* The least mean footprint. */
const struct report_design *page_leanest(const struct report *r);
bool page_has_picture(const struct report_design *d);
/* 1,234,567 */
char *page_count(char buf[32], uint64_t n);

void page_head(const struct report *r, FILE *out);        /* head.c: title, verdict, scoreboard */
void page_names(const struct report *r, FILE *out);       /* names.c: slab, gnu and the others */
void page_sections(const struct report *r, FILE *out);    /* sections.c: the heap */
void page_program(const struct report *r, FILE *out);     /* program.c: lives, sites, pins */
void page_data(const struct report *r, FILE *out, unsigned reduction); /* data.c */

void svg_patterns(FILE *out);
void svg_series(const struct report *r, FILE *out);
void svg_gap(const struct report *r, FILE *out);
void svg_map(const struct report_design *d, FILE *out);
void svg_scores(const struct report *r, FILE *out);
void svg_lives(const struct report_survey *s, FILE *out);

/* ---- measuring (measure.c) -------------------------------------------------------------- */

/* dmm replay's rounds on designs and peers.  False: the recording cannot be replayed, as was
 * said. */
bool report_measure(struct native *n, const char *path, const struct report_plan *p);
bool page_has_samples(const struct native *n, size_t row);
void page_measured_tiles(const struct native *n, FILE *out);
void page_measured_json(const struct native *n, struct json *j);

/* ---- tiles (tiles.c) --------------------------------------------------------------------- */

/* type: u8, u16, u32, f32, f64 */
void tile_put(FILE *out, const char *id, const char *type, const void *data, size_t count);
void tile_base64(FILE *out, const uint8_t *data, size_t len);
/* An image of palette entries, row by row. */
void tile_png(FILE *out, const uint8_t *pixels, size_t width, size_t height,
    const uint8_t palette[256][3]);

#endif
