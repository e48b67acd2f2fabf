/* tasks.h - for the small programs of this folder: a program that frees, and /proc's view of its
 * tasks. */
#ifndef TEST_INVISIBLE_TASKS_H
#define TEST_INVISIBLE_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SKIPPED = 77 };

/* One line on stderr, and the exit status. errno is printed if it is not 0. */
_Noreturn void wrong(const char *what);
_Noreturn void skip(const char *why);

/* Allocate that many MiB in objects of 2,000 bytes, write to them, free them. */
void come_and_go(size_t mib);
/* Start a thread that has a heap and waits.  Returns when it waits. */
void begin_thread(void);
/* Returns when a thread that was joined is no task any more. */
void until_gone(pid_t tid);
/* It ends; returns when it is joined and gone. */
void end_thread(void);
/* It ends so long after this call, whatever becomes of the others. */
void end_thread_in_ms(unsigned ms);

size_t count_tasks(void);
/* Waits up to ten seconds until there are so many, and returns how many there are.  pthread_join()
 * returns when the kernel has cleared a word of the thread, and the thread leaves /proc/self/task,
 * and what unshare() and setns() count, a moment later. */
size_t await_tasks(size_t count);
/* The task of that name; 0: there is none. */
pid_t find_task(const char *name);
/* The same; waits up to a minute for it. */
pid_t await_task(const char *name);
/* A line of /proc/self/task/TID/status, without its key; false: there is none. */
bool task_line(pid_t tid, const char *key, char *line, size_t cap);
void each_task(void (*look)(pid_t tid));
/* Resident; allocates nothing. */
double rss_mib(void);
void sleep_ms(unsigned ms);

#endif
