/* pairwise.h - the settings in which every pair of values of two techniques meets.
 *
 * Faults of combinations are nearly always faults of two (Kuhn, Wallace, Gallo, 2004).  A technique
 * has two to four values; the extremes of what it allows, and what it has by default.
 */
#ifndef LAB_ALLOCATORS_PAIRWISE_H
#define LAB_ALLOCATORS_PAIRWISE_H

#include "dmm_system.h"
#include "allocators/techniques.h"

struct pairwise {
	const struct dmm_system *sys;
	size_t a, b, value_a, value_b; /* the pair that comes next */
	size_t refused;                /* pairs so far that cannot be together */
	char conf[128];                /* key:value,key:value */
};

void pairwise_begin(struct pairwise *p, const struct dmm_system *sys);
/* The next one into p->conf; false: all have been. */
bool pairwise_next(struct pairwise *p);

/* The same pairs in far fewer settings, for what takes longer: each names a value of every
 * technique, and is made to meet as many new pairs as it can (greedy, after Cohen et al., AETG,
 * 1997). */
struct covering {
	const struct dmm_system *sys;
	/* has[a][i][b][j]: the i-th value of a has met the j-th of b */
	bool has[TECHNIQUES][TECHNIQUE_VALUES][TECHNIQUES][TECHNIQUE_VALUES];
	char conf[256];
};

void covering_begin(struct covering *c, const struct dmm_system *sys);
/* The next one into c->conf; false: every pair that can be together has met. */
bool covering_next(struct covering *c);

#endif
