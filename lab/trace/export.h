/* export.h - a recording for other tools.
 *
 *   folded   one line a call stack, outermost first, and bytes never freed or allocated:
 *            flamegraph.pl, speedscope, inferno
 *   dhat     the JSON of valgrind's dh_view.html
 *   pprof    a heap profile for Go's pprof and what reads its format, packed by gzip (pprof.h)
 *   speedscope   its own format, with what was allocated, never freed, and live at the peak
 *   csv      every event, with the object's address and the calling function
 */
#ifndef LAB_TRACE_EXPORT_H
#define LAB_TRACE_EXPORT_H

enum export_to {
	EXPORT_TO_FOLDED,
	EXPORT_TO_DHAT,
	EXPORT_TO_CSV,
	EXPORT_TO_PPROF,
	EXPORT_TO_SPEEDSCOPE
};
/* Which bytes a folded stack counts. */
enum export_what { EXPORT_ALLOCATED, EXPORT_LEAKED, EXPORT_PEAK };

struct export_order {
	const char *path, *output; /* output NULL: stdout */
	enum export_to to;
	enum export_what what;
};

/* Returns the exit status: EXIT_FAULT if the recording is damaged, though what comes before the
 * damage is exported.  Ends the program if nothing can be read or written. */
int export_run(const struct export_order *order);

#endif
