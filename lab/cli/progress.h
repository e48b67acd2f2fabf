/* progress.h - how far long work is, on the terminal: one line on stderr, wiped when it is over.
 *
 *   reading calls: 42 %, about 8 s left
 *
 * Silent where stderr is no terminal, and while the full screen is in use (terminal.h).  A step
 * that begins inside another one says nothing, unless the outer step said which part of it that
 * is.  lab_say() and its kin wipe the line first.  One thread of the process calls these functions.
 */
#ifndef LAB_CLI_PROGRESS_H
#define LAB_CLI_PROGRESS_H

#include <stdbool.h>

/* A step begins, and its line is shown at once.  Every begin has its progress_end(). */
__attribute__((format(printf, 1, 2))) void progress_begin(const char *format, ...);
/* Another text for the step; its time goes on. */
__attribute__((format(printf, 1, 2))) void progress_label(const char *format, ...);
/* 0 to 1 of the step is done.  Costs a look at the clock where the line is shown, else nothing. */
void progress_share(double share);
void progress_end(void);
/* The steps that follow are the part [from, to) of the whole: a step that begins is shown, and its
 * share counts as a share of the part. So a command of several steps can estimate the time that is
 * left. */
void progress_part(double from, double to);

/* Wipe the line; the next progress_share() shows it again. */
void progress_hide(void);
/* Show no progress for a while, because another program writes to the screen. */
void progress_quiet(bool quiet);

/* A child process of the command shows nothing: it stores its shares for its parent.  *share lies
 * in memory that both have. */
void progress_to(double *share);

#endif
