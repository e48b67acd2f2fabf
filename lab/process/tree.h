/* tree.h - the processes below one: who they are, what they hold, and their end. */
#ifndef LAB_PROCESS_TREE_H
#define LAB_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { TREE_MAX = 1024 };

/* A look now and then at the tree below `root`, itself included. */
struct tree_watch {
	pid_t root;
	const char *library; /* what each of them should have mapped; NULL: nothing */
	size_t peak_rss;     /* bytes; the largest sum over the tree that was seen */
	unsigned with, without; /* processes that had the library, and that had not */
	unsigned known;
	pid_t pid[TREE_MAX]; /* those seen before */
};

void tree_look(struct tree_watch *w);
/* Processes below root, root not included. */
size_t tree_below(pid_t root, pid_t *pid, size_t room);
/* Kill and reap everything below this process. */
void tree_kill(void);
/* Does the process have the file mapped? */
bool tree_has_mapped(pid_t pid, const char *path);
/* Does the process, or one below it, listen on a socket? */
bool tree_listens(pid_t root);

#endif
