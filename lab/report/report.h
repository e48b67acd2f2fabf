/* report.h - what a report page is made from: bounded, however long the recording is.
 *
 *   recording --> survey      the program itself: live bytes, lifetimes, call sites, threads
 *             --> design      one child process a design: its heap, sampled over the same calls
 *   survey, designs --> page  tables and still pictures in HTML, data as tiles, the built script
 *
 *                       samples over time, at even steps of calls: REPORT_SAMPLES columns
 *             +-------------------------------------------+
 *   REPORT_   |  share of live, share of owned            |   the heap map: rows are equal
 *   ROWS      |  bytes in a cell                          |   shares of the addresses ever owned;
 *             +-------------------------------------------+   gaps between them are no rows
 *
 * A struct report_design lies in memory that parent and child share; it holds no pointers.
 */
#ifndef LAB_REPORT_REPORT_H
#define LAB_REPORT_REPORT_H

#include <string.h>

#include "diagnose/diagnose.h"
#include "replay/model.h"

enum {
	REPORT_DESIGNS = 12,
	REPORT_SAMPLES = 480,
	REPORT_SAMPLES_MIN = 96, /* of heaps that have too many objects for 480 walks */
	REPORT_ROWS = 1024,
	/* stretches of addresses in the map; the rest is counted to the last */
	REPORT_REGIONS = 64,
	REPORT_BLOCKS = 16384, /* with the most bytes times calls */
	REPORT_BINS = 128,     /* by the design's own numbers */
	REPORT_SIZES = 128,    /* by size, four to a doubling */
	REPORT_PINS = 48,      /* call sites of each list */
	REPORT_SITES = 4096,   /* call sites whose names are kept */
	REPORT_NODES = 20000,  /* frames of them */
	/* moments at which call sites are listed: 24 even ones, the peak, the end */
	REPORT_MOMENTS = 26,
	LIFE_SIZES = 40, LIFE_TIMES = 48, /* powers of two; the last time: never freed */
};

/* ---- the program ----------------------------------------------------------------------------- */

/* The figures of one call site; sites differ if any frame of their stacks does. */
struct report_site {
	uint32_t stack;
	uint64_t total_bytes, total_count;
	uint64_t live_bytes, live_count; /* while reading; at the end what was never freed */
	/* live when the program had most: noted at the site's first change after peak `epoch` */
	uint64_t peak_bytes, peak_count, epoch;
	uint64_t most;                   /* the largest at any moment: by this they are chosen */
	float bytes[REPORT_MOMENTS], count[REPORT_MOMENTS];
};

struct report_moment {
	const char *name; /* "peak", "end", or NULL: one of the even ones */
	uint64_t event, ns, payload;
};

struct report_survey {
	struct trace_file file;
	struct replay_ops ops; /* the calls made ready */
	struct trace_stream stream; /* read to its end: holds the frames */
	struct diagnosis diagnosis;
	const char *path;
	uint64_t events, ns; /* in all */
	uint32_t threads;
	uint64_t peak_payload, peak_event, peak_ns, peak_count;
	uint64_t allocs, bytes_asked, end_payload, end_count;
	bool has_stacks;
	size_t samples; /* of the designs */
	uint64_t life_count[LIFE_TIMES][LIFE_SIZES], life_bytes[LIFE_TIMES][LIFE_SIZES]; /* by ns */
	/* by calls */
	uint64_t call_count[LIFE_TIMES][LIFE_SIZES], call_bytes[LIFE_TIMES][LIFE_SIZES];
	struct report_moment moment[REPORT_MOMENTS];
	size_t moment_count, taken; /* taken: of them, while reading */
	struct report_site *sites; /* by stack number while reading, then the largest first */
	size_t site_count, site_cap;
	uint64_t epoch; /* how often the program had more than ever before */
};

/* False: damaged, or no memory; *e says which.  A recording without calls is none: events == 0. */
bool report_survey(struct report_survey *s, const char *path, struct trace_error *e);
void report_survey_close(struct report_survey *s);

/* ---- a design -------------------------------------------------------------------------------- */

struct report_block {
	uint64_t addr, size; /* bytes asked for */
	uint64_t born, died; /* in calls; died: UINT64_MAX if never */
	uint32_t stack;
};

/* Stretches of memory of one size (page, slab, huge page) that hold little that lives. */
enum pin_scale { PIN_PAGE, PIN_SLAB, PIN_HUGE, PIN_SCALES };
enum pin_moment { PIN_PEAK, PIN_WORST, PIN_END, PIN_MOMENTS };
extern const size_t pin_bytes[PIN_SCALES];
extern const char *const pin_moment_names[PIN_MOMENTS];

struct report_pin {
	uint32_t stack;
	uint64_t survivors, survivor_bytes; /* of this site, in sparse stretches */
	/* bytes that become free if this site's survivors are freed: no other site has objects
	 * there */
	uint64_t alone;
	uint64_t shared; /* bytes of stretches that it holds together with others */
};

struct report_pins {
	uint64_t event, footprint, payload;
	uint64_t sparse_bytes, sparse_live; /* owned by sparse stretches; of them live */
	uint64_t sparse_count, sites; /* stretches; call sites in them */
	size_t count;
	struct report_pin pin[REPORT_PINS];
};

struct report_region {
	uint64_t addr;      /* of its first row */
	uint32_t row, rows;
};

struct report_design {
	char name[128], doc[160];
	char problem[200];
	bool done; /* the child came to its end */
	double share; /* of the child's work, 0 to 1 */
	double seconds;
	uint64_t events, peak_payload;
	struct accounting peak;
	double mean;  /* bytes of footprint over the recording's time */
	uint64_t end; /* when the process ended */
	struct accounting sample[REPORT_SAMPLES + 1];
	size_t samples;
	uint64_t hole[REPORT_SAMPLES + 1]; /* the largest free piece, bytes */

	/* the map */
	uint64_t granule; /* bytes in a row */
	size_t rows, region_count;
	struct report_region region[REPORT_REGIONS];
	uint8_t live[REPORT_SAMPLES + 1][REPORT_ROWS], owned[REPORT_SAMPLES + 1][REPORT_ROWS];

	/* size classes: the design's own, if live pieces say theirs, else sizes of chunks */
	bool classed;
	uint64_t class_size[REPORT_BINS + REPORT_SIZES];
	float class_live[REPORT_SAMPLES + 1][REPORT_BINS + REPORT_SIZES];
	float class_free[REPORT_SAMPLES + 1][REPORT_BINS + REPORT_SIZES];

	struct report_block block[REPORT_BLOCKS];
	size_t block_count;
	double block_area, all_area; /* bytes times calls, of these and of all blocks */
	struct report_pins pins[PIN_MOMENTS][PIN_SCALES];
};

/* Replay on one subject into d, in this process.  False: no memory. */
bool report_design(struct report_design *d, const struct report_survey *s,
    const struct subject *subject);
/* All of them, each in a child, `jobs` at a time; one that crashes or takes longer than limit_s
 * says so in its problem.  The result is shared memory of n designs; NULL: no memory. */
struct report_design *report_designs(const struct report_survey *s, const struct subject *subjects,
    size_t n, double limit_s, size_t jobs);

/* ---- parts of a design (map.c, pins.c) -------------------------------------------- */

struct map_cell {
	uint64_t granule; /* address >> shift */
	uint64_t live, owned; /* bytes */
};

struct map_column {
	struct map_cell *cell;
	size_t count;
};

/* Columns of cells that grow coarser as the heap grows. */
struct report_map {
	unsigned shift;
	struct map_column column[REPORT_SAMPLES + 1];
	size_t columns;
	struct map_cell *work; /* the column that is being made */
	size_t work_count, work_cap;
};

bool map_open(struct report_map *m);
void map_close(struct report_map *m);
void map_add(struct report_map *m, uint64_t addr, uint64_t len, bool live); /* by rising addr */
void map_end_column(struct report_map *m);
void map_finish(struct report_map *m, struct report_design *d);

/* The live objects by address, for a walk in address order. */
struct live_entry {
	uint64_t addr;
	uint32_t stack;
};

struct live_order {
	struct live_entry *object;
	size_t count, next;
};

void order_open(struct live_order *o, const struct model_view *v);
/* NULL: none */
const struct live_entry *order_find(struct live_order *o, uint64_t addr, uint64_t len);
void order_close(struct live_order *o);

/* The sites whose objects keep sparse stretches at the moment of the view. */
void report_pins(struct report_pins pins[PIN_SCALES], const struct model_view *v);

/* The slot of a size among REPORT_SIZES, and the least size in a slot. */
unsigned size_slot(uint64_t size);
uint64_t slot_size(unsigned slot);

#endif
