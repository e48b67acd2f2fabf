/* no_events.h - why a recording has no events. */
#ifndef LAB_TRACE_NO_EVENTS_H
#define LAB_TRACE_NO_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

/* One sentence about the program in this file. signal: the one that ended it, or 0. */
void explain_silence(const char *program, bool recorder_was_loaded, int signal, char *why,
    size_t cap);

#endif
