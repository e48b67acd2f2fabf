/* diagnose.h - what is wrong with a program's memory, from one pass over its recording.
 *
 *   recording --gather--> counters of each call site, marks over time, pages that few objects hold
 *             --judge---> findings: growth, pinned, retained, oversized, churn; the worst first
 *
 * A finding names a call site, a figure and the evidence.  Each rule has a threshold, so that a
 * healthy program has no finding.  Addresses are those that the recorded allocator gave out, so
 * pinned pages are that allocator's real ones.
 *
 * Cost: about 0.1 us a call, and 150 bytes a call site, 50 bytes a live object.  Not thread-safe.
 */
#ifndef LAB_DIAGNOSE_DIAGNOSE_H
#define LAB_DIAGNOSE_DIAGNOSE_H

#include <stdio.h>

#include "cli/json.h"
#include "trace/stream.h"
#include "trace/symbols.h"

enum finding_kind {
	/* a site's live objects become more to the end, and none of them is freed */
	FINDING_GROWTH,
	/* pages of which at most a quarter is live, and whose objects hold them */
	FINDING_PINNED,
	FINDING_RETAINED,  /* the program holds much less than at its peak, for much of its run */
	/* bytes that were asked for and never touched, or given back by realloc */
	FINDING_OVERSIZED,
	/* objects that live for a few calls, enough of them to take a visible part of the time */
	FINDING_CHURN,
	FINDING_KINDS,
};

enum { FINDINGS_MAX = 8, FINDING_TEXT = 320, MARKS = 16, FINE_MARKS = 256 };

struct diagnose_finding {
	enum finding_kind kind;
	uint64_t bytes;      /* at stake; of churn 0 */
	uint64_t objects;    /* that it is about */
	uint32_t stack;      /* call site: a node of the recording; 0: none was recorded */
	double rate;         /* growth: bytes a second; churn: calls a second */
	/* the finding as a sentence without its site and without its full stop */
	char what[FINDING_TEXT];
	/* "make_node (list.c:33), called by load (main.c:12)"; "": not recorded */
	char site[FINDING_TEXT];
};

struct diagnosis {
	struct diagnose_finding finding[FINDINGS_MAX]; /* the most serious first */
	size_t count;
	/* What the judgement rests on. */
	uint64_t calls, peak_payload, end_payload;
	double seconds;      /* of the recording; 0: it knows no times */
	double mean_payload; /* bytes, over time */
	char unsaid[FINDING_TEXT]; /* "", or what the recording cannot tell, and what would help */
	bool limited; /* so much is unsaid that no finding does not mean that nothing is wrong */
};

extern const char *const finding_names[FINDING_KINDS]; /* "growth", "pinned", ... */

struct gather;

/* Listen to a reading of f: pass diagnose_step as a listener's function, and what this returns as
 * its argument.  f and s are the reader's, and stay until diagnose_end().  NULL: no memory. */
struct gather *diagnose_begin(const struct trace_file *f, const struct trace_stream *s);
bool diagnose_step(void *gather, struct step *step, struct trace_error *e);
/* The reading is over: judge, and free `g`.  d NULL: it failed, only free.  False: no memory, *e.
 */
bool diagnose_end(struct gather *g, struct diagnosis *d, struct trace_error *e);

/* The findings for people, numbered; one line if there is none. */
void diagnosis_text(const struct diagnosis *d, FILE *out);
/* The member "diagnosis" of an open object. */
void diagnosis_json(const struct diagnosis *d, struct json *j);

#endif
