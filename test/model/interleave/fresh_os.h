/* fresh_os.h - an operating system without system calls, as new for every schedule: it clears the
 * accessible metadata when the heap closes.  Payload stays untouched. */
#ifndef TEST_INTERLEAVE_GROUND_H
#define TEST_INTERLEAVE_GROUND_H

#include "dmm_system.h"

void ground_open(void); /* once */
const struct dmm_os *ground_os(void);
/* The test's: these bytes of payload are being given back. */
void ground_gives_back(const char *p, size_t len);

#endif
