/* fresh_os.h - an operating system without system calls, which is as new for every schedule: what of the
 * metadata was made accessible is cleared when the heap closes.  Payload stays untouched. */
#ifndef TEST_INTERLEAVE_GROUND_H
#define TEST_INTERLEAVE_GROUND_H

#include "dmm_system.h"

void ground_open(void); /* once */
const struct dmm_os *ground_os(void);
/* The test's: these bytes of payload are being given back. */
void ground_gives_back(const char *p, size_t len);

#endif
