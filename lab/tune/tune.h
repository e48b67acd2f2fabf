/* tune.h - settings fitted to recordings: coordinate ascent (ascent.h) over model replays.
 *
 * What is made small is the footprint, on average over the recording's time unless asked otherwise.
 * Time counts alike: a set that makes the run 1 % longer must hold 1 % less.  One that makes it
 * shorter gets nothing for that, so that time never pays for more memory.  Beyond a bound settings
 * are not had at all: the run may take 1 % longer than on the malloc that the program had.  glibc's
 * calls take some ns more than slab's; another malloc counts as slab as it comes.
 *
 * Time is counted in steps (replay/accounting.h), not taken from a clock, and the run is what the
 * recording says, without idle times and what recording cost.  So the same recordings give the same
 * settings on every machine.
 *
 * Of several recordings the first half is searched; the others show whether the gain holds.
 */
#ifndef LAB_TUNE_TUNE_H
#define LAB_TUNE_TUNE_H

#include "cli/lab.h"
#include "diagnose/diagnose.h"
#include "replay/model.h"
#include "tune/ascent.h"
#include "tune/gain.h"

enum { TUNE_RECORDINGS = 8 };

enum { TUNE_NAME = 128 };

struct tune_recording {
	const char *path, *name; /* name: the path's last part */
	struct replay_ops ops;
	char recorded_on[TUNE_NAME]; /* the file whose malloc the program had; "": not known */
	bool glibc;                  /* that is glibc, or not known and taken for it */
	double busy_ns;              /* of the run, without idle times; 0: not known */
};

struct tune_figure {
	double mean;        /* bytes of footprint, over time */
	uint64_t peak, end; /* bytes of footprint */
	double steps;
};

enum tune_by { TUNE_BY_MEAN, TUNE_BY_PEAK, TUNE_BY_END };

struct tune_order {
	enum tune_by by;
	/* of the run: how much longer it may be than on the malloc that the program had; < 0: any
	 */
	double slower;
	size_t searched; /* recordings; those after them are not searched */
};

struct tuned {
	const struct dmm_system *sys;
	struct ascent_result found;
	/* as it comes, and as found */
	struct tune_figure own[TUNE_RECORDINGS], set[TUNE_RECORDINGS];
	bool cut_short; /* the search had used up its calls, and this is the best so far */
};

/* Exits with a message where a recording is damaged or has no calls. */
void tune_recordings_open(struct tune_recording *rec, const char *const *paths, size_t count);
/* One of them, diagnosed in the same reading, for which it is read with its stacks. */
void tune_recording_diagnose(struct tune_recording *r, const char *path, struct diagnosis *d);

/* How many of the recordings are searched, unless the user gives a number. */
size_t tune_searched(size_t count);

void tune_search(struct tuned *t, const struct dmm_system *sys, const struct tune_recording *rec,
    size_t count, const struct tune_order *order);

/* Settings as found make the run so much longer than as it comes: 0.01 is a hundredth. */
double tune_longer(const struct tuned *t, const struct tune_recording *rec, size_t i);

/* What the order makes small. */
double tune_figure_by(const struct tune_figure *f, enum tune_by by);

/* Can anything of this system be tuned? */
bool tune_can(const struct dmm_system *sys);

/* The results of the searches of several systems. */
struct tune_result {
	const struct tune_recording
	    *rec; /* `paths` of them; the first order->searched were searched */
	size_t paths;
	const struct tune_order *order;
	const struct tuned *tuned; /* `systems` of them */
	size_t systems;
	const struct tuned *best;
	const char *out; /* the settings file */
};

/* The least memory on what was searched; where several threads make calls, a design with one lock
 * around every call only if there is no other. */
const struct tuned *tune_best(const struct tuned *all, size_t count,
    const struct tune_recording *rec, const struct tune_order *order);
/* Was anything found that gains? */
bool tune_gains(const struct tune_result *x);
/* Write the settings file, print the figures, say what they mean; then, with g, measure the gain on
 * real runs of g->command, which is all that *g must say beside `drive` and `runs`.  False: on some
 * recording that was not searched, or on real runs, the settings cost memory. */
bool tune_report(const struct tune_result *x, enum format format, struct gain *g);

#endif
