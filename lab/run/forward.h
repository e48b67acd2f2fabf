/* forward.h - signals to this process are the program's that it started.
 *
 *     forward_begin();                 signals wait from here on
 *     pid = fork();
 *     if (pid == 0)
 *             forward_child();         they are as they were before; then exec
 *     status = forward_wait(pid);      they go to the program, until it ends
 *
 * What the terminal sends (Ctrl-C) goes to every process of the foreground by itself, and is not
 * sent again.
 */
#ifndef LAB_RUN_FORWARD_H
#define LAB_RUN_FORWARD_H

#include <sys/types.h>

void forward_begin(void);
void forward_child(void);
/* As waitpid() tells it; -1: it could not be waited for. */
int forward_wait(pid_t pid);

#endif
