/* caveat.h - the limits of a recording, printed before its figures. */
#ifndef LAB_TRACE_CAVEAT_H
#define LAB_TRACE_CAVEAT_H

#include "trace/trace.h"

enum { CAVEAT_CALLS = 1000 /* fewer are too few to tell habits from chance */ };

/* What the command has counted. */
struct caveat_facts {
	uint64_t calls, ns, peak_payload; /* ns: how long the recording is */
	/* its longest time without calls; UINT64_MAX: no matter to this command */
	uint64_t idle_ns;
	/* The diagnosis says already that it is cut off, without times, or too short. */
	bool diagnosed;
};

/* For a program on a Python whose functions the recorder could not name. */
void caveat_python(const struct trace_file *f);
/* One line on stderr for each that holds, with what would help: it is cut off, from a machine
 * with other pages, without times, too short, never idle, or of a program that takes most of its
 * memory past malloc.  A recording without calls gets none: explain_silence() tells why. */
void caveats_say(const struct trace_file *f, const struct caveat_facts *k);

#endif
