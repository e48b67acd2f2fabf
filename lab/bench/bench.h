/* bench.h - the suites of dmm bench, and what they share.
 *
 * A suite is one entry of bench_suites[] (cmd/bench.c) and a file NAME.c.  It gets the options
 * of the command and prints its own results in the format asked for.
 */
#ifndef LAB_BENCH_BENCH_H
#define LAB_BENCH_BENCH_H

#include <stdio.h>

#include "cli/lab.h"
#include "os/os.h"
#include "system/heap.h"

enum { BENCH_SYSTEMS_MAX = 32 };

struct bench_options {
	const char *systems_text, *peers; /* of --systems (NULL: all) and --peers */
	const struct dmm_system *systems[BENCH_SYSTEMS_MAX + 1]; /* NULL ends them */
	const char *names[BENCH_SYSTEMS_MAX + 1]; /* as given: "bins", or "mine" of mine=path.so */
	const char *given[BENCH_SYSTEMS_MAX + 1]; /* mine=path.so; NULL: one of this build */
	size_t system_count;
	enum format format;
	bool list;             /* only say what there is */
	double timeout_s;      /* for one cell */
	size_t runs;           /* of each program */
	char *const *words;    /* operands: patterns, counts, experiments; NULL ends them */
};

struct bench_suite {
	const char *name, *doc;
	/* it opens heaps of systems[]; else it runs programs under what --systems names */
	bool heaps;
	int (*run)(const struct bench_options *options); /* the exit status */
};

int bench_lecture(const struct bench_options *options);
int bench_cos217(const struct bench_options *options);
int bench_patterns(const struct bench_options *options);
int bench_techniques(const struct bench_options *options);

/* ---- cells: one measurement, in a process of its own ---------------------------------------- */

enum cell_status { CELL_FINE, CELL_TIMEOUT, CELL_CRASHED };

/* Run work(arg, result) in a child; `result` (len bytes, at most a page) comes back.  What the
 * child does to its heap, its break and its page tables ends with it. */
enum cell_status cell_run(void (*work)(void *arg, void *result), void *arg, void *result,
    size_t len,
    double timeout_s);

/* Instructions that run(arg) executes in user mode, after prepare(arg), both in a child that is
 * single-stepped: exact, the same in every run, and no counter of the machine is needed.
 * Negative: this machine forbids it. */
double cell_instructions(void (*prepare)(void *arg), void (*run)(void *arg), void *arg);

/* ---- heaps to measure on --------------------------------------------------------------------- */

/* A heap on os_arena (exact) or os_linux (real), below a counter of system calls and bytes. */
struct bench_heap {
	struct os_arena arena;
	struct os_fault os; /* .calls, .owned_bytes, .peak_bytes */
	struct heap heap;
	const struct dmm_system *sys;
};

/* params: NULL for the system's own.  Ends the program if the heap cannot be opened. */
void bench_heap_open(struct bench_heap *b, const struct dmm_system *sys,
    const struct dmm_params *params);
void bench_heap_open_linux(struct bench_heap *b, const struct dmm_system *sys,
    const struct dmm_params *params);
void bench_heap_close(struct bench_heap *b);
/* The system's own functions, without the heap layer's lock; alloc never returns NULL. */
void *bench_alloc(struct bench_heap *b, size_t n);
void bench_free(struct bench_heap *b, void *p);

double bench_cpu_s(void); /* of this process, user and system */

/* ---- growth ---------------------------------------------------------------------------------- */

/* cost ~ n^exponent, by least squares of log cost on log n, with a 95 % interval (Student's t). */
struct growth {
	double exponent, low, high;
	double n_first, n_last, first, last; /* both ends, and the costs there */
	const char *unit;
};
enum { GROWTH_POINTS_MAX = 12 };
struct growth growth_fit(const double *n, const double *cost, size_t points, const char *unit);

#endif
