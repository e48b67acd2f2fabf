/* lecture.h - experiments: what the lecture says of behaviour and cost, as measurements.
 *
 * An experiment states one claim, measures it, and says whether the figures agree.  Costs are
 * instructions counted by single steps, or system calls, bytes and pages counted by ourselves, and
 * so the same in every run; only where the kernel itself is the matter is time measured.
 */
#ifndef LAB_BENCH_LECTURE_H
#define LAB_BENCH_LECTURE_H

#include "bench/bench.h"

enum { FIGURES_MAX = 16, FIGURE_TEXT = 400 };

struct finding {
	bool   agrees, timed; /* timed: the verdict rests on a clock, not on counts alone */
	char   missing[16]; /* a system that this build lacks: nothing was measured */
	size_t text_len, count;
	char   text[FIGURE_TEXT]; /* what was measured, for people */
	char   because[160];      /* if it does not agree */
	struct lecture_figure {
		char name[32];
		double value;
	} figure[FIGURES_MAX]; /* the same for machines */
};

struct experiment {
	const char *name, *slide, *claim;
	void (*run)(struct finding *f);
};

/* Each ends with a nameless one. */
extern const struct experiment lecture_heap[], lecture_tags[], lecture_vm[], lecture_appendix[],
    lecture_segregated[];

/* ---- what experiments say -------------------------------------------------------------------- */

/* An experiment begins in this process; `f` is zeroed and becomes what it says. */
void find_begin(struct finding *f);
/* Add to the text; "; " comes between. */
__attribute__((format(printf, 2, 3))) void find_text(struct finding *f, const char *format, ...);
void find_figure(struct finding *f, const char *name, double value);
/* All that must hold for the claim; what does not is kept as the reason. */
__attribute__((format(printf, 3, 4))) void find_verdict(struct finding *f, bool agrees,
    const char *because, ...);
/* "system: what grows as n^0.98 [0.97, 0.99], 412 at 64, 10,310 at 2048", and whether it is as the
 * lecture says. */
enum order { ORDER_CONSTANT, ORDER_LINEAR };
void find_growth(struct finding *f, const char *what, const struct growth *g, enum order told);
const char *order_name(const struct growth *g); /* "O(1)", "O(n)", or "between" */

/* ---- scenes: a prepared heap and one call on it ---------------------------------------------- */

struct scene {
	const struct dmm_system *sys;
	struct dmm_params params;
	size_t holes;              /* free chunks that cannot merge */
	size_t hole_len, target_len; /* bytes of each, and of the chunk that is used or freed */
	bool free_prev, free_next; /* the target's neighbours in memory */
	bool target_free;          /* the target is a free chunk at the end of the list ... */
	size_t ask;                /* bytes that the call asks for; 0: it frees the target */
	struct bench_heap heap;    /* filled in the child */
	char *target;
};

/* The system with its own settings, but growing by what is asked, so that the heap is what we
 * say. */
struct scene scene_of(const struct dmm_system *sys);
/* Instructions of the one call. */
double scene_instructions(const struct scene *s);
/* How they grow with the number of holes, 2^6 to 2^10. */
struct growth scene_growth(const struct scene *s);

/* ---- a steady state -------------------------------------------------------------------------- */

/* `ops` times: free a random one of `live` objects and allocate another, sizes 1 to `size_max`. */
struct churn {
	size_t ops, live, size_max;
};
struct churned {
	double live_bytes;                  /* as asked */
	double usable_bytes;                /* as provided */
	double footprint_bytes, peak_bytes; /* as obtained, now and at most */
	double free_bytes, overhead_bytes;
	double calls;
};
/* On a heap that stays open for what comes next; slots: `live` pointers. */
void churn_run(struct bench_heap *b, const struct churn *c, void **slots, size_t *sizes);
struct churned churn_measure(struct bench_heap *b, const struct churn *c, void *const *slots,
    const size_t *sizes);
/* Open, churn, measure, close. */
struct churned churn(const struct dmm_system *sys, const struct dmm_params *params,
    const struct churn *c);
/* How the peak footprint grows with the number of operations at constant live bytes. */
struct growth churn_growth(const struct dmm_system *sys);
/* The needs of a design for a constant number of live objects of mixed sizes. overhead: its bytes
 * besides payload, in words; needs_free: the claim holds only if there is free memory too. */
void lecture_space(struct finding *f, const char *system, const char *overhead, bool needs_free);
/* Mean instructions of malloc, or of free, in that steady state. */
double churn_instructions(const struct dmm_system *sys, size_t live, bool of_free);

/* Bytes of each kind in a walk: a visitor, and what it adds up. */
struct bytes {
	double live, meta, meta_between; /* meta_between: headers and footers */
};
int bytes_sum(void *arg, const struct dmm_piece *piece);

/* Mean instructions of malloc(100) and free, one after the other, between free neighbours. */
double run_cost(const char *name, enum dmm_coalesce coalesce);

/* The experiment ends here: this build has no such system. */
_Noreturn void find_missing(const char *system);

/* A system that the lecture names; inside an experiment only. */
const struct dmm_system *lecture_system(const char *name);

void lecture_summary(struct finding *f); /* measures the table on the slide "Summary (so far)" */
/* prints it; needs no earlier run */
void lecture_summary_print(const struct bench_options *o);

#endif
