/* advise.h - what is wrong with a recorded program's memory, and which allocator would serve it
 * better.
 *
 * The diagnosis comes first (diagnose/diagnose.h).  Then the allocator that the program ran on is
 * judged against slab, as it comes and with the settings by which it keeps next to nothing
 * (slab_tight), or, if asked for, against every design of the lecture too:
 *   memory  what the process has beside its heap, the design's mean footprint over the
 *           recording, and its library: a process of 2 MiB feels that
 *   time    the recorded run with this design's calls in place of glibc's; in a recording without
 *           real times (an import) glibc's calls are taken as ADVISE_SHARE of the run
 * Settings of slab add their steps, page faults among them, to the run on slab as it comes.  They
 * are advised only if slab as it comes is not worth a change, or costs 3 % more.
 * Memory and time count alike: the advice is the least of their product.  glibc's row is a model of
 * its design, gnu, behind a cache as glibc's (replay/tcache.h).  A program that was recorded on
 * another malloc is told so: no model knows that one.  Never advised: what never frees, what
 * searches one list for every call, and one lock around every call where several threads are busy.
 */
#ifndef LAB_TUNE_ADVISE_H
#define LAB_TUNE_ADVISE_H

#include "cli/lab.h"
#include "diagnose/diagnose.h"
#include "tune/workload.h"
#include "tune/tune.h"

enum { ADVISE_CHOICES = 24 };
#define ADVISE_SHARE 0.02
/* Bytes of a design's library that are resident where glibc's malloc is not used: code, tables and
 * data.  Measured of slab's in /proc/PID/smaps. */
#define ADVISE_LIBRARY (256.0 * 1024)
/* A change is worth it if it costs at most this share of the usual, and saves this many bytes or as
 * much time. */
#define ADVISE_WORTH 0.97
#define ADVISE_SAVES (256.0 * 1024)

struct choice {
	const struct dmm_system *sys;
	char conf[ASCENT_CONF];  /* "": as it comes */
	char problem[160];       /* "", or why it is not had */
	struct accounting peak;  /* where the footprint was largest */
	double mean;             /* bytes of footprint over time */
	uint64_t end_footprint;
	double ns;               /* a call */
	double steps;            /* of a replay (replay/accounting.h) */
	double run;              /* of the whole run's time, next to gnu as it comes */
	/* bytes: the mean footprint, the process's memory besides its heap, and the library */
	double process;
	double cost;             /* the product; less is better */
};

struct advice {
	const struct tune_recording *rec;
	struct diagnosis diagnosis;
	struct facts facts;
	bool timed;         /* the recording has real times */
	bool few; /* it has times, and fewer calls than CAVEAT_CALLS (trace/caveat.h) */
	double beside_heap; /* the process's bytes besides its heap, about */
	struct choice choice[ADVISE_CHOICES]; /* the best first, those with a problem last */
	size_t count;
	const struct choice *best, *usual; /* usual: gnu as it comes, the design of the C library */
	const struct choice *slab;         /* slab as it comes */
	bool none_needed; /* the best gains nothing worth a change over the usual */
};

/* conf: judge slab with these settings, as in DMM_CONF; NULL: with slab_tight, but not on a
 * recording of millions of calls.  study: every design of the lecture too, and the best settings
 * that a search finds for two of them.  Shows progress on a terminal.  Exits with a message where
 * the recording cannot be read. */
void advise(struct advice *a, struct tune_recording *rec, const char *path, const char *conf,
    bool study);

/* On stdout, and on stderr the command to run next. */
void advice_print(const struct advice *a, enum format format);

/* The largest part of a footprint besides the payload; its share in *share, of 1. */
enum part advise_gap(const struct accounting *peak, double *share);

#endif
