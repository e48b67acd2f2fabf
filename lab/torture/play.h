/* play.h - run the steps of a script again in a child: does it still fail, and how? With `blind`,
 * only failures that a program can notice count: addresses, contents, usable sizes, errno, a crash,
 * a hang. Otherwise the design's own check() and walk() are called as well. */
#ifndef LAB_TORTURE_PLAY_H
#define LAB_TORTURE_PLAY_H

#include "torture/shadow.h"
#include "torture/torture.h"

struct play {
	const struct torture *t; /* its system, params, slot, on_linux */
	const struct script_step *step;
	size_t count;
	uint64_t repeat; /* how often all steps are played; 0 counts as 1 */
	bool blind;      /* as a program sees it */
	bool asked_only; /* write no more than was asked for */
	bool closely;    /* look at everything after each step, not at the end alone */
	/* Called in the child after each step, also after the one that broke a rule.  The heap may
	 * be damaged.  NULL: nothing is called. */
	void (*look)(void *arg, struct heap *heap, const struct shadow *shadow, size_t step);
	void *arg;
};

struct play_result {
	uint64_t done; /* steps */
	enum torture_end end;
	char rule[64];
	struct dmm_fault why; /* .rule is NULL */
	int signal;
	size_t step;          /* the one to blame; play.count: it was found at the end */
	uint64_t round;       /* of play.repeat, from 0 */
	bool inside;          /* it died or hung in check() or walk() */
	bool looked;          /* it died or hung in look() */
	uint32_t victim, culprit; /* names of objects; 0: none */
};

struct play_result play_run(const struct play *p);

/* True: a program can notice it, without asking the design. */
bool play_is_seen(const struct play_result *r);
/* The same failure: the same rule, or the same way to end. */
bool play_is_same(const struct play_result *a, const struct play_result *b);

#endif
