/* inside.h - what torture.c (one thread) and threads.c (many) share. */
#ifndef LAB_TORTURE_INSIDE_H
#define LAB_TORTURE_INSIDE_H

#include "base/rng.h"
#include "torture/shadow.h"
#include "torture/test_os.h"
#include "torture/torture.h"

enum { SHADOW_CAP = 8000 };

enum sizes {
	SIZES_MIXED,
	SIZES_TINY,
	SIZES_SMALL,
	SIZES_FEW,
	SIZES_POWERS,
	SIZES_PAGES,
	SIZES_LARGE,
	SIZES_KINDS
};
enum free_order { ORDER_RANDOM, ORDER_HIGHEST, ORDER_LOWEST, ORDER_NEIGHBOURS, ORDERS };

struct phase {
	enum sizes sizes;
	enum free_order order;
	size_t few[4];
	size_t target, left; /* live objects to hover around; operations to come */
	bool strangers, refusals;
};

/* A heap with all that is around it. */
struct rig {
	const struct torture *t;
	struct torture_result *result;
	struct stage stage;
	struct heap heap;
};

void phase_draw(struct phase *p, struct rng *r, bool strangers, size_t live_max);
bool phase_operation(const struct phase *p, struct rng *r, struct shadow *s);

int rig_open(struct rig *b); /* 0, or errno */
size_t rig_footprint(const struct rig *b);
bool rig_full(const struct rig *b);
void rig_note(struct rig *b, const struct shadow *s); /* one more check */
void rig_stranger(struct rig *b, size_t len); /* takes len bytes at the break */
/* Counts the refusals below the heap; NULL: not counted. */
const struct os_fault *rig_refusals(const struct rig *b);
bool rig_reuses(const struct rig *b, struct shadow *s); /* S11 */
bool rig_ask(struct rig *b, struct shadow *s); /* the design's check() and walk(), unless blind */
bool rig_strangers(struct rig *b, struct shadow *s);
bool rig_finish(struct rig *b, struct shadow *s);
void rig_blame(struct rig *b, const struct dmm_fault *why);
void threads_run(struct rig *b);

#endif
