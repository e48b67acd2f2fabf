/* profile.h - a recording summed up by call site and by size, so that two recordings can be
 * compared.
 *
 *   site   equal chains of function names, innermost first, without lines and addresses: these
 *          change with each build
 *   size   requests by power of two
 *
 * Of each: calls and bytes asked for; bytes live at the moment of the program's peak, on average
 * over its run, and at its end.  One pass over the recording; about 150 bytes a call site.
 */
#ifndef LAB_BUDGET_PROFILE_H
#define LAB_BUDGET_PROFILE_H

#include "trace/stream.h"

enum quantity { MEASURE_CALLS, MEASURE_ASKED, MEASURE_PEAK, MEASURE_MEAN, MEASURE_END, MEASURES };

extern const char *const measure_names[MEASURES]; /* "calls", "bytes asked for", ... */

enum { PROFILE_SIZES = 48, PROFILE_FRAMES = 24 };

struct entry {
	char *name;   /* of a site: "f <- g <- main"; of a size: "17 to 32 bytes" */
	double value[MEASURES];
};

struct profile {
	const char *path;
	char command[256];     /* "": the recording does not say */
	struct entry *site;    /* by name */
	size_t sites;
	struct entry size[PROFILE_SIZES];
	struct entry all;      /* the whole program; name NULL */
	uint64_t leaked_objects;
	double seconds;
};

/* False: *e.  The caller closes all the same. */
bool profile_read(struct profile *p, const char *path, struct trace_error *e);
void profile_close(struct profile *p);

/* The entry of a name; NULL: there is none. */
const struct entry *profile_site(const struct profile *p, const char *name);

#endif
