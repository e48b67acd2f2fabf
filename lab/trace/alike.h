/* alike.h - joins call sites that a reader could not tell apart: their stacks have other addresses,
 * but the same functions and lines. */
#ifndef LAB_TRACE_ALIKE_H
#define LAB_TRACE_ALIKE_H

#include "trace/sites.h"
#include "trace/symbols.h"

/* Compares the first `depth` names, the innermost first, at most SYMBOLS_DEPTH.  False: no memory;
 * the sites are as they were. */
bool alike_merge(struct sites *s, struct symbols *symbols, const struct trace_reader *r,
    size_t depth);

#endif
