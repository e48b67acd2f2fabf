/* profile.h - the heap profile of slab (src/slab/profile.h) in another process,
 * read from outside. */
#ifndef LAB_INSPECT_PROFILE_H
#define LAB_INSPECT_PROFILE_H

#include "inspect/inspect.h"
#include "slab/profile.h"

struct outside_profile {
	struct profile_head head; /* its pointers are the other process's */
	char *sites; /* struct profile_site, one after another */
	size_t len, cap;
	char *maps; /* lines "START END OFFSET BUILD-ID PATH" of mapped code, hexadecimal */
	size_t maps_len, maps_cap;
	bool torn; /* it changed at every look: figures differ by a few samples from each other */
};

/* Read it, a whole one if the process lets a moment pass without a sample.  False: *e says why not.
 * The process is neither stopped nor written to. */
bool outside_read_profile(struct outside *o, struct outside_profile *p, struct memory_error *e);
void outside_drop_profile(struct outside_profile *p);

/* The site at *at, from 0; *at goes on to the next one.  NULL: there is no more. */
const struct profile_site *outside_next_site(const struct outside_profile *p, size_t *at);

#endif
