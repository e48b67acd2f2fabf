/* design.h - is a library the user's own design, which dmm torture can search for faults? */
#ifndef LAB_ALLOCATORS_DESIGN_H
#define LAB_ALLOCATORS_DESIGN_H

#include <stdbool.h>

/* The library has dmm_system_entry(); it is read, not loaded. */
bool design_is_in(const char *library);

/* Say as the last line on stderr that `dmm torture --system=WORD` finds the fewest calls that fail:
 * for a design NAME=PATH (settings after a '?' are left out) that crashed or gave wrong results.
 * False: WORD is none, and nothing was said. */
bool design_blame(const char *word);

#endif
