/* symbols.h - return addresses of a recording as functions, files and lines.
 *
 * The recording says which file was mapped where, with its build-id; libdw reads that file here and
 * now.  A file whose build-id has changed since is not asked.  Imports bring names of their own.
 */
#ifndef LAB_TRACE_SYMBOLS_H
#define LAB_TRACE_SYMBOLS_H

#include "trace/trace.h"

enum { SYMBOLS_LEN = 256, SYMBOLS_DEPTH = 128 };

struct symbols;

/* NULL: no memory. */
struct symbols *symbols_open(const struct trace_file *f);
/* The same for a process: lines "START END OFFSET BUILD-ID PATH" of its mapped
 * code, hexadecimal. */
struct symbols *symbols_open_maps(const char *maps, uint32_t pid);
void symbols_close(struct symbols *s);

/* What is at one return address: "main (hello.c:12)", "libfoo.so+0x1234", or "0x7f...".  Where
 * calls were inlined there are several, innermost first; the first `wrappers` of them hand
 * allocations on (wrapper_names.h).  Valid until the next call, its names until symbols_close(). */
struct symbols_place {
	uint64_t addr;
	const char *const *name;
	uint32_t count, wrappers;
};
const struct symbols_place *symbols_place(struct symbols *s, uint64_t addr);

/* The one name to give: the first that is no wrapper's, if there is one. */
const char *symbols_name(struct symbols *s, uint64_t addr);

/* A stack as names, innermost first, at most SYMBOLS_DEPTH: from the first that is no wrapper's on.
 * Where only wrappers are known they are all there, and *only_wrappers (may be NULL) says so. */
size_t symbols_path(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    const char **names,
    bool *only_wrappers);
/* The same, at most `depth` names, without a look at the frames behind them. */
size_t symbols_path_to(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    size_t depth, const char **names, bool *only_wrappers);
/* A hash of these, which tells functions and files apart whose names read alike, as a name is cut
 * where it is long, and a file has no folder.  A place that found no memory is like no other. */
uint64_t symbols_path_hash(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    size_t depth);
/* The innermost node of a stack that is not a wrapper's alone; `stack` where all are. */
uint32_t symbols_leave_wrappers(struct symbols *s, const struct trace_reader *r, uint32_t stack);
/* The first of the path's names; "" for stack 0. */
const char *symbols_site(struct symbols *s, const struct trace_reader *r, uint32_t stack);

#endif
