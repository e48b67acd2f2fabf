/* symbols.h - return addresses of a recording as functions, files and lines.
 *
 * The recording says which file was mapped where, with its build-id; libdw reads that file here and
 * now.  A file whose build-id has changed since is not asked.  Imports bring names of their own.
 */
#ifndef LAB_TRACE_SYMBOLS_H
#define LAB_TRACE_SYMBOLS_H

#include "trace/trace.h"

enum { SYMBOLS_LEN = 256 };

struct symbols;

/* NULL: no memory. */
struct symbols *symbols_open(const struct trace_file *f);
void symbols_close(struct symbols *s);

/* "main (hello.c:12)", "libfoo.so+0x1234", or "0x7f..."; the same pointer for the same address. */
const char *symbols_name(struct symbols *s, uint64_t addr);

#endif
