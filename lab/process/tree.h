/* tree.h - the descendants of a process: their identity, memory and exit status. */
#ifndef LAB_PROCESS_TREE_H
#define LAB_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { TREE_MAX = 1024 };

/* Looks at the tree below `root`, itself included, while it runs.  The caller sets root, library
 * and began, and calls tree_look() now and then; whatever happens between two looks is not seen. */
struct tree_watch {
	pid_t root;
	const char *library; /* what each process should have mapped; NULL: nothing */
	double began;        /* seconds, launch_now(): when the program was started */
	size_t peak_rss;     /* bytes; the largest sum over the tree that a look found */
	size_t last_rss;     /* bytes; the sum at the last look; 0: no look found a process */
	double last_at;      /* seconds, launch_now(), of that look */
	double byte_seconds; /* the area under resident bytes over time, from began to last_at */
	unsigned with, without; /* processes that had the library, and that had not */
	unsigned known;
	pid_t pid[TREE_MAX]; /* those seen before */
};

/* `now`: launch_now(). */
void tree_look(struct tree_watch *w, double now);
/* Resident bytes of the tree, averaged over the time from began to the last look; 0: no look
 * found any. */
size_t tree_mean_rss(const struct tree_watch *w);
/* Processes below root, root not included. */
size_t tree_below(pid_t root, pid_t *pid, size_t room);
/* Kill and reap everything below this process. */
void tree_kill(void);
/* Does the process have the file mapped? */
bool tree_has_mapped(pid_t pid, const char *path);
/* Does the process, or one below it, listen on a socket? */
bool tree_listens(pid_t root);

#endif
