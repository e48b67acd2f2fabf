/* replay.h - dmm replay: replays a recording on allocators, and prints the results. */
#ifndef LAB_REPLAY_REPLAY_H
#define LAB_REPLAY_REPLAY_H

#include "cli/lab.h"
#include "replay/job.h"
#include "replay/native.h"

struct replay_order {
	const char *path;             /* of the recording */
	const char *systems, *peers;  /* lists of names; NULL: all */
	bool study;                   /* the lecture's designs too, where no systems are named */
	enum format format;
	size_t steps; /* 0: as the format has it */
	bool model, over_time;
	const char *output; /* a file for the data; NULL: stdout */
	const char *hash;   /* of the cell of dmm sweep that this is; NULL: of none */
	struct sweep_cell cell;
	struct native native;
};

/* Say on stderr what the recording cannot tell, and what would help (trace/caveat.h). */
void replay_caveats(const char *path, const struct replay_ops *ops, bool diagnosed);
/* Adds glibc twice, the designs and the peers; unknown names end dmm here. */
void replay_list(struct replay_order *q);
/* Replay, print, say what to do next.  Returns the exit status; of a cell EXIT_FINE, since its
 * result says what went wrong. */
int replay_print(struct replay_order *q);

#endif
