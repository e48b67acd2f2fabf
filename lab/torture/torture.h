/* torture.h - random operations on a system, believed nowhere.
 *
 * A run is a row of epochs (a fresh heap each, on the same addresses), an epoch a row of phases
 * (one mix of sizes, one number of live objects, strangers or refusals or neither), a phase a row
 * of operations.  Everything follows from the seed.  After every operation while at most
 * CHUNKS_ALWAYS chunks exist, then every CHECK_EVERY operations, the system's checker runs and its
 * walk is compared with the shadow (shadow.h names the rules).
 *
 * With threads, each has a shadow and a share of the operations, objects are handed from thread to
 * thread, and the checks run while all of them wait.
 */
#ifndef LAB_TORTURE_TORTURE_H
#define LAB_TORTURE_TORTURE_H

#include "dmm_system.h"
#include "torture/script.h"

enum { TORTURE_CHUNKS_ALWAYS = 1000, TORTURE_CHECK_EVERY = 1000, TORTURE_THREADS_MAX = 64 };

struct torture {
	const struct dmm_system *sys;
	const struct dmm_params *params; /* NULL: the system's defaults */
	uint64_t ops, seed;
	unsigned threads; /* 1 to TORTURE_THREADS_MAX */
	unsigned slot;    /* which arena */
	bool on_linux;       /* on os_linux instead */
	bool blind;          /* never ask the design's check() and walk() */
	/* the steps of the last epoch go there, of one thread; NULL: nowhere */
	struct script *script;
};

enum torture_end {
	TORTURE_FINE,
	TORTURE_BROKE,  /* why: the rule */
	TORTURE_DIED,   /* signal: of the child */
	TORTURE_HANGS,  /* no operation ended for 3 s of processor time (60 s of all threads') */
	TORTURE_EXITED, /* the design ended the process */
	TORTURE_CANNOT, /* why.found: errno */
};

struct torture_result {
	enum torture_end end;
	struct dmm_fault why;
	char rule[64]; /* why.rule, copied out of the child */
	int signal;
	bool inside;  /* it died or hung in the design's check() or walk() */
	uint64_t ops; /* done; the last one is the one to blame */
	uint64_t checks, refused, epochs;
	size_t peak_live, peak_usable; /* objects; bytes that could be touched, 0: not known */
};

/* Runs in a child process, so that a system may crash or hang. */
struct torture_result torture_run(const struct torture *t);

/* A run that failed. */
struct torture_failure {
	const struct torture *t;
	const struct torture_result *result;
	const char *word, *conf; /* conf: "" for the defaults */
};

/* The work of dmm torture: a run of every system, or of one; with pairwise, a run of each pair of
 * values of two techniques. */
struct torture_order {
	struct torture t;
	const char *word; /* the system as it was asked for; NULL: all */
	const char *conf; /* key:value,..., or NULL */
	bool pairwise;
	/* Called after each failure of a run of one thread; t->script has the steps of its last
	 * epoch.  NULL: nothing is. */
	void (*failed)(const struct torture_order *order, const struct torture_failure *run);
	/* for failed(): the C program goes to this file (NULL: stdout); seconds to shrink it */
	const char *file;
	double shrink_s;
};

/* Prints a line a run.  Returns the worst exit status of all. */
int torture_print(const struct torture_order *r);

#endif
