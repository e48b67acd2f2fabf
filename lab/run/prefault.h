/* prefault.h - memory that the host backs.  The first touch of a page that a virtual machine's host
 * must find costs 10 us and more, so the first program to run loses: touch and free as much before
 * each run. */
#ifndef LAB_RUN_PREFAULT_H
#define LAB_RUN_PREFAULT_H

#include <stddef.h>

enum { WARM_DEFAULT = 1 << 30 };

/* How many of `bytes` may be touched: at most half of the available memory. */
size_t warm_bound(size_t bytes);
void warm_memory(size_t bytes);

#endif
