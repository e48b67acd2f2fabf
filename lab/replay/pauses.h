/* pauses.h - the moments at which a recording's calls were made: all of a short recording, and of a
 * long one those after its longest pauses, at least PAUSES_MOST / 2 of them.  build.c notes them,
 * ops.h reads them.  Not thread-safe. */
#ifndef LAB_REPLAY_PAUSES_H
#define LAB_REPLAY_PAUSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAUSES_MOST = 1 << 16 };

struct pause_seen {
	uint64_t at, tick, gap; /* before op `at`; gap: ticks since the op before it */
};

struct pauses { /* begins as {.last = the recording's first tick} */
	struct pause_seen *seen; /* in order */
	size_t count, cap;
	uint64_t least; /* shorter gaps are left out: grows when PAUSES_MOST are noted */
	uint64_t last, longest; /* ticks */
};

/* False: no memory. */
bool pauses_note(struct pauses *p, uint64_t at, uint64_t tick);

#endif
