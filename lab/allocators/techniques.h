/* techniques.h - the techniques of the appendix with the values that tests and measurements try. */
#ifndef LAB_ALLOCATORS_TECHNIQUES_H
#define LAB_ALLOCATORS_TECHNIQUES_H

#include <stddef.h>
#include <stdint.h>

enum { TECHNIQUE_VALUES = 10 };

/* The extreme values that are allowed, and the systems' defaults. */
struct technique {
	const char *key;
	uint32_t option; /* enum dmm_option; 0: slab's */
	const char *values[TECHNIQUE_VALUES]; /* NULL ends them */
};

enum { TECHNIQUES = 11 };
extern const struct technique techniques[TECHNIQUES];

/* The values that a search tries: more values of each number, and no setting that only finds
 * mistakes. */
enum { TUNABLES = 10 };
extern const struct technique tunables[TUNABLES];

/* The settings of slab that a search tries: those that slab's model can tell apart. The first ones
 * matter most. */
enum { SLAB_TUNABLES = 8 };
extern const struct technique slab_tunables[SLAB_TUNABLES];
/* Of each the value with which slab keeps next to nothing: NULL where that does not matter.  What
 * may stay is the most of floor, share and what was learned, so one alone may change nothing. */
extern const char *const slab_tight[SLAB_TUNABLES];
/* The same as a text like that of DMM_CONF. */
void slab_tight_conf(char *buf, size_t cap);

#endif
