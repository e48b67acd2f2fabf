/* alike.h - joins call sites whose stacks have other addresses, but the same functions and lines.
 * Functions, files or lines that differ are not joined, though their names may be shown alike: a
 * long name is cut, and a file is shown without its folder. */
#ifndef LAB_TRACE_ALIKE_H
#define LAB_TRACE_ALIKE_H

#include "trace/sites.h"
#include "trace/symbols.h"

/* Compares the first `depth` names, the innermost first, at most SYMBOLS_DEPTH.  False: no memory;
 * the sites are as they were. */
bool alike_merge(struct sites *s, struct symbols *symbols, const struct trace_reader *r,
    size_t depth);

#endif
