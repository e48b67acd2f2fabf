/* write_all.h - write(2) until everything is written.  Async-signal-safe; allocates nothing. */
#ifndef BASE_WRITE_ALL_H
#define BASE_WRITE_ALL_H

#include <stddef.h>

/* Write n bytes to fd, again after a signal and after a part.  Returns 0, or the errno of the write
 * that failed (EIO where one wrote nothing); what came before it is written. */
int write_all(int fd, const void *bytes, size_t n);

#endif
