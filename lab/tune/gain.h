/* gain.h - the gain of a settings file, measured on real runs of a program.
 *
 *   round 0   glibc  glibc-again  slab  tuned  (linked)     interleaved, as dmm compare has it; a
 *   round 1   glibc-again  slab ...                         ratio is of two runs of one round
 *
 * `tuned` is the design with the settings file; `linked`, if it is there, is the malloc that the
 * program is linked with.
 */
#ifndef LAB_TUNE_GAIN_H
#define LAB_TUNE_GAIN_H

#include "cli/json.h"
#include "compare/compare.h"
#include "run/prefault.h"

struct gain {
	char *const *command;
	const char *drive; /* the shell command that drives it, a server; NULL: it is none */
	size_t runs;
	size_t warm; /* bytes to touch and free before each run */
	const char *system; /* the design */
	const char *conf;   /* its settings file; NULL: it is measured as it comes */
	enum figure figure; /* that was made small */
	/* made by gain_measure() */
	struct compare compare;
	const struct row *set, *own,
	    *usual; /* as tuned, as it comes, and the malloc it has anyway */
};

/* Exits with a message where the program or the library is not there. */
void gain_measure(struct gain *g);
/* The figures and one sentence.  False: the program failed on it, or it holds more memory. */
bool gain_text(const struct gain *g, FILE *out);
/* The member "measured" of an open object; the same result. */
bool gain_json(const struct gain *g, struct json *j);

#endif
