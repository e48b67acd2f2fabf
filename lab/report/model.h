/* model.h - a recording on a system over os_arena, read as a stream under an observer's eyes.
 *
 * dmm replay --model prepares a recording once and runs it fast; a report must also know each
 * object's call site and birth, and must do with memory for what is live alone: it follows the
 * stream.
 */
#ifndef LAB_REPORT_MODEL_H
#define LAB_REPORT_MODEL_H

#include "replay/accounting.h"
#include "replay/ops.h"
#include "allocators/subject.h"
#include "trace/stream.h"

struct model_run {
	const struct subject *subject;
	char problem[160]; /* "" or why it ended early */
	uint64_t events, failed; /* calls replayed; of them refused */
	uint64_t peak_payload; /* the lower bound of any allocator's footprint */
	struct accounting peak; /* where the footprint was largest, for the first time */
	/* bytes of footprint over the recording's time; without times, over its calls */
	double mean;
	uint64_t end; /* bytes of footprint when the process ended */
	struct accounting *samples; /* at even steps of events; the last one is the end */
	size_t sample_count;
	double seconds; /* of this run: the only thing that is not the same again */
};

/* The heap between two calls. */
struct model_view {
	struct heap *heap;
	const struct os_arena *arena;
	const struct trace_stream *stream;
	const struct accounting *now;
};

/* All functions are given; an object's `user` is its address in the model's heap, 0 if it was
 * refused. */
struct model_observer {
	void *arg;
	/* it lies there now */
	void (*placed)(void *arg, struct live_object *o, uint64_t event);
	/* it does no longer */
	void (*gone)(void *arg, const struct live_object *o, uint64_t event);
	void (*sampled)(void *arg, const struct model_view *v, size_t sample);
	uint64_t moment_event; /* after this many calls (0: never) */
	void (*moment)(void *arg, const struct model_view *v);
};

/* ops: those of the recording at `path`.  samples: how many, at least 1; one more is taken at the
 * end.  False: the recording is damaged, *e. */
bool model_watch(struct model_run *r, const char *path, const struct replay_ops *ops,
    const struct subject *subject, size_t samples,
    const struct model_observer *observer, struct trace_error *e);
void model_run_free(struct model_run *r);

#endif
