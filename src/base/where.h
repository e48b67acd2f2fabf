/* where.h - a place in the program's code as a name: file+0x1234, which addr2line -e file
 * understands.
 *
 * For last words: uses open, read and close only, neither the loader nor memory of anybody.
 */
#ifndef BASE_WHERE_H
#define BASE_WHERE_H

#include <stddef.h>

/* The return address of the present call into the heap, where who takes the call notes it: the
 * drop-in libraries of the lecture's systems do.  NULL: not known. */
extern __thread const void *where_called;

/* "file+0x1234" of the call that returns to `code`, or its bare address where no file is mapped
 * there.  The length written, at most cap - 1. */
size_t where_format(char *buf, size_t cap, const void *code);

/* "; found in the call at file+0x1234", or "" where the caller is not known. */
size_t where_found(char *buf, size_t cap);

#endif
