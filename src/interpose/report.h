/* report.h - reports of the heap's contents: at exit, at an interval, or on a signal, as
 * settings say. */
#ifndef INTERPOSE_REPORT_H
#define INTERPOSE_REPORT_H

/* Before main, when the settings are read.  Starts a thread if an interval or a signal is set, and
 * then alone. */
void report_begin(void);

#endif
