/* replay_model.h - a recording on a system over os_arena: exact, and the same in every run. */
#ifndef LAB_REPLAY_MODEL_H
#define LAB_REPLAY_MODEL_H

#include "accounting.h"
#include "replay_params.h"
#include "trace_stream.h"

struct model_result {
	const struct subject *subject;
	char problem[160]; /* "" or why it ended early */
	uint64_t events, failed; /* calls replayed; of them refused */
	uint64_t peak_payload; /* the lower bound of any allocator's footprint */
	struct accounting peak; /* the sample with the largest footprint */
	struct accounting *samples; /* at even steps of events; the last one is the end */
	size_t sample_count;
	double seconds; /* of this run: the only thing that is not the same again */
};

/* samples: how many, at least 1.  False: the recording is damaged, *e. */
bool model_replay(struct model_result *r, const char *path, const struct subject *subject,
    size_t samples, struct trace_error *e);
void model_free(struct model_result *r);

#endif
