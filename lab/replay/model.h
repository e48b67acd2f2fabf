/* model.h - a recording on a system over os_arena: exact, and the same in every run.
 *
 * It runs twice.  The first time nothing is looked at but the footprint after every call, which
 * finds the peak to the byte and shows how fast the system is; the second time the heap is walked
 * at even steps and at that peak.  That both agree is checked.  Of slab, with its window,
 * the footprint is what was touched, and a run between the two keeps that book.
 */
#ifndef LAB_REPLAY_MODEL_H
#define LAB_REPLAY_MODEL_H

#include "replay/accounting.h"
#include "replay/ops.h"
#include "replay/tcache.h"
#include "allocators/subject.h"

struct model_result {
	const struct subject *subject;
	char problem[160]; /* "" or why it ended early */
	uint64_t calls, failed; /* replayed; of them refused */
	uint64_t peak_payload; /* the lower bound of any allocator's footprint */
	struct accounting peak; /* where the footprint was largest, for the first time */
	/* bytes of footprint, averaged over the recording's time; without times, over its calls */
	double mean;
	/* bytes of footprint at the end of the recording, idle time and tables included */
	uint64_t end;
	/* at even steps of calls; the first is the start, the last the end */
	struct accounting *samples;
	size_t sample_count;
	uint64_t peak_op; /* the number of ops before the first peak of the footprint */
	uint64_t os_calls; /* to the simulated system, in the first run; there they cost nothing */
	double steps;      /* of the first run: see held_steps_begin() */
	struct held_steps counted; /* what they are made of */
	double seconds; /* of CPU, of the first run: the only thing that is not the same again */
};

/* samples: how many steps, at least 1; there is one sample more.  False: no memory. */
bool model_replay(struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject,
    size_t samples);
/* One run alone: r->peak has the footprint and no parts, and there are no samples.
 * budget_s: of CPU time; a run that needs more ends early, and r->problem says so; 0: any.
 * tcache: empty; this cache stands before the heap, as glibc's does (tcache.h); NULL: none. */
bool model_memory(struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject, double budget_s, struct tcache *tcache);
void model_free(struct model_result *r);

/* ---- under an observer's eyes -------------------------------------------------------------- */

struct model_cell { /* an object */
	void *p;       /* in the model's heap; NULL: refused, or there is none */
	uint64_t size; /* bytes asked for */
};

struct model_life { /* number of the call that made it, from 1; its call site */
	uint32_t born, stack;
};

/* The heap between two calls.  cell[i] and life[i] are of one object. */
struct model_view {
	struct heap *heap;
	const struct os_arena *arena;
	const struct accounting *now;
	const struct model_cell *cell;
	const struct model_life *life;
	size_t slots;
	uint64_t payload;
};

struct model_observer { /* all functions are given */
	void *arg;
	/* an object does no longer lie there: it was freed or resized by call number `call` */
	void (*gone)(void *arg, const struct model_cell *c, const struct model_life *l,
	    uint64_t call);
	void (*sampled)(void *arg, const struct model_view *v, size_t sample);
	void (*at_peak)(void *arg, const struct model_view *v); /* when the program had most */
};

/* As model_replay(), but the first sample is after the first step, and the last is the end. The
 * recording was prepared with stacks (OPS_FOR_MODELS). */
bool model_watch(struct model_result *r, const struct replay_ops *ops,
    const struct subject *subject, size_t samples, const struct model_observer *observer);

#endif
