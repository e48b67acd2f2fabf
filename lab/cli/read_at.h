/* read_at.h - bytes at a place of a file. */
#ifndef LAB_CLI_READ_AT_H
#define LAB_CLI_READ_AT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* All n bytes at this offset, whatever the kernel gives at once.  False: an error, or the file ends
 * before; errno tells which (0: it ends). */
bool read_at(int fd, void *to, size_t n, off_t at);

#endif
