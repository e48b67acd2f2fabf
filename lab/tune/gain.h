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
	/* A run may take this much longer than on the usual malloc, 0.01: 1 %; < 0: any time. */
	double slower;
	/* By the model, the settings hold more memory on a recording that was not searched: so they
	 * are not taken. */
	bool refuted;
	/* made by gain_measure() */
	struct compare compare;
	const struct row *set, *own,
	    *usual; /* as tuned, as it comes, and the malloc it has anyway */
};

/* What the runs speak for.  A row is taken only if they prove a gain over the usual malloc: less
 * memory in a run that takes no longer than allowed, or the same memory in less time.  The settings
 * are taken only if they also prove less memory than the design as it comes, or if that proves
 * nothing. */
enum gain_take {
	GAIN_TAKE_SET,   /* the design with its settings file */
	GAIN_TAKE_OWN,   /* the design as it comes */
	GAIN_TAKE_USUAL, /* the malloc that the program has anyway */
};

/* Exits with a message where the program or the library is not there. */
void gain_measure(struct gain *g);
enum gain_take gain_take(const struct gain *g);
/* The figures, what they prove, and what to take.  False: the program failed on the settings, or
 * they are not to be taken and hold more memory than the usual malloc or the design as it comes; if
 * there are none, the same of the design as it comes. */
bool gain_text(const struct gain *g, FILE *out);
/* What they prove, as one line, which it does not end. */
void gain_sentence(const struct gain *g, FILE *out);
/* The command to run next, on stderr. */
void gain_next(const struct gain *g);
/* The member "measured" of an open object; the same result. */
bool gain_json(const struct gain *g, struct json *j);

#endif
