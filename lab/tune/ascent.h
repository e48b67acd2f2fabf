/* ascent.h - coordinate ascent over settings: change one technique at a time for as long as it
 * gains.
 *
 *            fit ------> split_min ------> coalesce ------> ... ------+
 *             ^   take the value that gains most, all others as they are  |
 *             +--------------- again, if any gained ---------------------+
 *
 * A climb ends at a set from which no single change gains, which need not be the best of all.  So
 * the search climbs again from each value of the techniques in `starts` and keeps the best set of
 * all climbs.  It scores no set twice.
 */
#ifndef LAB_TUNE_ASCENT_H
#define LAB_TUNE_ASCENT_H

#include "dmm_system.h"
#include "allocators/subject.h"
#include "allocators/techniques.h"

enum { ASCENT_CONF = SUBJECT_CONF, ASCENT_TRIED = 2048 };

struct ascent {
	const struct dmm_system *sys;
	const struct technique *technique;
	size_t count;  /* techniques */
	/* enum dmm_option: each value of these techniques begins a climb of its own */
	uint32_t starts;
	/* One more climb begins where each technique has this value (NULL: the design's own); NULL:
	 * none does.  For techniques of which one alone gains nothing. */
	const char *const *also;
	double gain;   /* 1.001: a score that is not a thousandth better is no gain */
	/* A score, larger is better.  False: these settings are not to be had. */
	bool (*score)(void *arg, const char *conf, double *score);
	void *arg;
};

struct ascent_result {
	char conf[ASCENT_CONF]; /* only what differs from the design's own; "": nothing gained */
	double score;
	size_t tried; /* sets scored */
};

/* Climb from the design as it comes, whose score must be to be had. */
void ascent_climb(const struct ascent *a, struct ascent_result *r);

/* Does `conf` only say what the design has anyway? */
bool ascent_changes_nothing(const struct dmm_system *sys, const char *conf);

#endif
