/* input.h - files that a command reads: none at which it would wait for a writer. */
#ifndef LAB_CLI_INPUT_H
#define LAB_CLI_INPUT_H

#include <stdio.h>

/* A file that is read at any place: a regular one.  The caller closes the descriptor.
 * -1: errno says why; ENODEV: not a regular file. */
int input_open(const char *path);

/* A file that is read from its begin to its end: a regular one, /dev/null, standard input (by any
 * name, as /dev/stdin), or a pipe without a name, as /dev/fd/N, which is what the shell makes of
 * <(...).  Not a named pipe, at which a reader waits, a socket, or another device, which may have
 * no end.  The caller closes the descriptor.  -1: errno, as above; EISDIR: a directory. */
int input_stream(const char *path);

/* Such a file, opened; the caller closes it.  NULL: errno, as above. */
FILE *input_text(const char *path);

/* What an errno of these functions means. */
const char *input_why(int error);

#endif
