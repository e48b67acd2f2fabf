/* tune.h - settings fitted to a recording: coordinate ascent (ascent.h) over model replays.
 *
 * What is made small is the peak footprint.  Time counts a little: for each tenth that the calls
 * take longer than in the design as it comes, a hundredth of memory must be won; and beyond a bound
 * settings are not had at all.  Where they may take as long as they like, the search is the same in
 * every run.  The search sees the first recording only; the others show whether the gain holds.
 */
#ifndef LAB_TUNE_TUNE_H
#define LAB_TUNE_TUNE_H

#include "cli/lab.h"
#include "replay/model.h"
#include "tune/ascent.h"

enum { TUNE_RECORDINGS = 8 };

struct tune_recording {
	const char *path, *name; /* name: the path's last part */
	struct replay_ops ops;
};

struct tune_figure {
	uint64_t peak; /* bytes of footprint */
	double ns;     /* a call, of CPU and for system calls; the least of some runs */
};

struct tuned {
	const struct dmm_system *sys;
	struct ascent_result found;
	/* as it comes, and as found */
	struct tune_figure own[TUNE_RECORDINGS], set[TUNE_RECORDINGS];
	double score; /* of the search; comparable between systems on one recording */
};

/* Exits with a message where a recording is damaged or has no calls. */
void tune_recordings_open(struct tune_recording *rec, const char *const *paths, size_t count);

/* slower: calls may take 1 + slower as long as in the design as it comes; < 0: as long as they
 * like.  rec[0] is searched, rec[1..count) are not. */
void tune_search(struct tuned *t, const struct dmm_system *sys, const struct tune_recording *rec,
    size_t count, double slower);

/* ns a call of a replay: the model's own time, and for each system call what one costs on this
 * machine, where the kernel also maps the page that comes of it. */
double tune_ns(const struct model_result *r);

/* One replay of settings; false: they cannot be together, or the model ran out of memory. */
bool tune_measure(struct tune_figure *f, const struct dmm_system *sys, const char *conf,
    const struct tune_recording *rec);

/* Can anything of this system be tuned? */
bool tune_can(const struct dmm_system *sys);

/* What the searches of several systems found. */
struct tune_result {
	const struct tune_recording *rec; /* `paths` of them; the first was searched */
	size_t paths;
	const struct tuned *tuned; /* `systems` of them */
	size_t systems;
	const struct tuned *best;
	const char *out; /* the settings file */
};

const struct tuned *tune_best(const struct tuned *all, size_t count);
/* Write the settings file, print the figures, say what they mean.  False: on some recording that
 * was not searched, the settings cost memory. */
bool tune_report(const struct tune_result *x, enum format format);

#endif
