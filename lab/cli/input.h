/* input.h - files that a command reads: none at which it would wait for a writer. */
#ifndef LAB_CLI_INPUT_H
#define LAB_CLI_INPUT_H

#include <stdio.h>

/* A file that is read at any place: a regular one.  The caller closes the descriptor.
 * -1: errno says why; ENODEV: not a regular file. */
int input_open(const char *path);

/* May a file be read from its begin to its end? Not if it is a directory, a socket, a disk, or a
 * named pipe, at which a reader waits.  A pipe of this process may: /dev/stdin, and /dev/fd/N,
 * which is what the shell makes of <(...).  0, or an errno as above; EISDIR: a directory. */
int input_check(const char *path);

/* Such a file, opened; the caller closes it.  NULL: errno, as above. */
FILE *input_text(const char *path);

/* What an errno of these functions means. */
const char *input_why(int error);

#endif
