/* merge.h - results of cells read back.  What is not there is NaN, "" or 0. */
#ifndef LAB_SWEEP_MERGE_H
#define LAB_SWEEP_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/lab.h"

enum { MERGE_NAME = 192, MERGE_WHY = 256, MERGE_ROWS = 8, MERGE_PARTS = 7, MERGE_QUANTILES = 5 };

/* One row of a cell's table: glibc, glibc again, the allocator; or a design of a model. */
struct merge_row {
	char name[MERGE_NAME], kind[16], outcome[16], path[1024], build_id[72], why[MERGE_WHY];
	bool no_huge_pages;
	int loaded; /* 1, 0; -1: nobody could look */
	double wall_s, cpu_s, peak_rss, faults; /* of its one run; NaN: it has none */
	double latency_ns[MERGE_QUANTILES], longest_ns; /* p50 p90 p99 p99.9 p99.99 */
	double failed;
	/* models */
	double footprint, part[MERGE_PARTS], live_objects;
	double peak_events, peak_ns, mean, end; /* mean and end: bytes of footprint */
	char problem[MERGE_WHY];
};

struct merge_cell {
	char file[1024];
	char hash[20], recording_hash[20], recording[1024];
	bool model;
	unsigned repeat;
	double calls, threads, lower_bound;
	char touch[16], thp[16], cpu[128], kernel[128], libc[128], huge_pages[64], date[64];
	long cpus;
	struct merge_row row[MERGE_ROWS];
	size_t rows;
};

/* Is there a whole result at `path`, of the cell with this hash? */
bool merge_is_done(const char *path, const char *hash);
/* Read a result.  False: `why` says what is wrong with it. */
bool merge_read(const char *path, struct merge_cell *c, char why[MERGE_WHY]);

/* What dmm merge prints. */
struct merge_order {
	enum format format;
	char **files;     /* results; NULL ends them */
	const char *jobs; /* the plan, whose cells must all have a result; NULL: none */
};

/* Returns the exit status: EXIT_FAULT where an allocator failed, or a result is missing or cannot
 * be read. */
int merge_print(const struct merge_order *order);

#endif
