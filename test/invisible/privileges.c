/* privileges.c - a program that gives up root's rights after it freed memory has given them up in
 * all tasks.
 *
 *   LD_PRELOAD=libdmm.so DMM_CONF=purge_tick_ms:60000 privileges alone|threads
 *
 * The setting makes a helper stay long enough to be looked at.  Exits 77 where the caller is not
 * root.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks.h"

enum { NOBODY = 65534 };

static void have_no_rights(pid_t tid)
{
	static const char *const caps[] = {"CapPrm:\t", "CapEff:\t"};
	unsigned id[4] = {0};
	char line[128];

	errno = 0;
	for (int group = 0; group < 2; group++) {
		if (!task_line(tid, group ? "Gid:\t" : "Uid:\t", line, sizeof line) ||
		    sscanf(line, "%u %u %u %u", &id[0], &id[1], &id[2], &id[3]) != 4)
			wrong("a task's ids cannot be read");
		for (int i = 0; i < 4; i++)
			if (id[i] != NOBODY)
				wrong("a task keeps an id of root");
	}
	for (int i = 0; i < 2; i++)
		if (!task_line(tid, caps[i], line, sizeof line) || strtoull(line, NULL, 16) != 0)
			wrong("a task keeps capabilities");
}

int main(int argc, char **argv)
{
	const bool threads = argc == 2 && strcmp(argv[1], "threads") == 0;

	if (getuid() != 0)
		skip("not root");
	if (threads)
		begin_thread();
	come_and_go(100);
	if (threads && getenv("LD_PRELOAD") != NULL && await_task("dmm-purge") == 0)
		wrong("no helper came, so nothing is tested");
	errno = 0;
	if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
		skip("setuid");
	each_task(have_no_rights);
	if (!threads && count_tasks() != 1)
		wrong("a program without threads has a second task");
	return 0;
}
