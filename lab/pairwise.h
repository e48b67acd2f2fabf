/* pairwise.h - the settings in which every pair of values of two techniques meets.
 *
 * Faults of combinations are nearly always faults of two (Kuhn, Wallace, Gallo, 2004).  A technique
 * has two to four values; the extremes of what it allows, and what it has by default.
 */
#ifndef LAB_PAIRWISE_H
#define LAB_PAIRWISE_H

#include "dmm_system.h"

struct pairwise {
	const struct dmm_system *sys;
	size_t a, b, value_a, value_b; /* the pair that comes next */
	size_t refused;                /* pairs so far that cannot be together */
	char conf[128];                /* key:value,key:value */
};

void pairwise_begin(struct pairwise *p, const struct dmm_system *sys);
/* The next one into p->conf; false: all have been. */
bool pairwise_next(struct pairwise *p);

#endif
