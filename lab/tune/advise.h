/* advise.h - which design, with which settings, for a recorded program: what each would need, and the
 * least of it.
 *
 * Memory and time count alike: what is made small is  memory of the process * time of its run.
 *   memory  what the process has beside its heap, and the design's peak footprint
 *   time    the recorded run with this design's calls in place of gnu's; in a recording without real
 *           times (an import) gnu's calls are taken as ADVISE_SHARE of the run
 * So a program that hardly allocates loses nothing by a slow design, and a large one with a small heap
 * nothing by a wasteful one.  Not had as an advice, whatever the figures say: what never frees, what
 * searches one list for every call, and one lock around every call where several threads are busy.
 */
#ifndef LAB_TUNE_ADVISE_H
#define LAB_TUNE_ADVISE_H

#include "cli/lab.h"
#include "tune/workload.h"
#include "tune/tune.h"

enum { ADVISE_CHOICES = 24 };
#define ADVISE_SHARE 0.02

struct choice {
	const struct dmm_system *sys;
	char conf[ASCENT_CONF];  /* "": as it comes */
	char problem[160];       /* "", or why it is not had */
	struct accounting peak;  /* where the footprint was largest */
	uint64_t end_footprint;
	double ns;               /* a call */
	double run;              /* of the whole run's time, next to gnu as it comes */
	double process;          /* bytes: the footprint and what the process has beside its heap */
	double cost;             /* the product; less is better */
};

struct advice {
	const struct tune_recording *rec;
	struct facts facts;
	bool timed;         /* the recording has real times */
	double beside_heap; /* bytes that the process has beside its heap, about */
	struct choice choice[ADVISE_CHOICES]; /* the best first, those with a problem last */
	size_t count;
	const struct choice *best, *usual; /* usual: gnu as it comes, the design of the C library */
	bool none_needed; /* the best gains nothing worth a change over the usual */
};

/* tuned: also the best settings that a search finds. */
void advise(struct advice *a, const struct tune_recording *rec, bool tuned);

/* On stdout, and on stderr the command to run next. */
void advice_print(const struct advice *a, enum format format);

/* The largest part of a footprint beside the payload; its share in *share, of 1. */
enum part advise_gap(const struct accounting *peak, double *share);

#endif
