/* report.h - reports of what the heap holds: at exit, at an interval, when a signal comes, as
 * settings say. */
#ifndef INTERPOSE_REPORT_H
#define INTERPOSE_REPORT_H

/* Before main, when the settings are read.  Starts a thread if an interval or a signal is set, and
 * then alone. */
void report_begin(void);

#endif
