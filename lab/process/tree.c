/* tree.c - the processes below one, by /proc. */
#include "process/tree.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process/maps.h"

enum { KILL_ROUNDS = 5000, NAME_LEN = 320 };

static size_t add_children_of(const char *name, pid_t *pid, size_t count, size_t room)
{
	FILE *const f = fopen(name, "re");
	int child;

	if (f == NULL)
		return count;
	while (count < room && fscanf(f, "%d", &child) == 1)
		pid[count++] = child;
	fclose(f);
	return count;
}

/* Children belong to the thread that forked them. */
static size_t add_children(pid_t parent, pid_t *pid, size_t count, size_t room)
{
	char name[NAME_LEN];

	snprintf(name, sizeof name, "/proc/%d/task", parent);
	DIR *const tasks = opendir(name);
	if (tasks == NULL)
		return count;
	for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "/proc/%d/task/%s/children", parent, e->d_name);
		count = add_children_of(name, pid, count, room);
	}
	closedir(tasks);
	return count;
}

size_t tree_below(pid_t root, pid_t *pid, size_t room)
{
	size_t count = add_children(root, pid, 0, room);

	for (size_t i = 0; i < count; i++)
		count = add_children(pid[i], pid, count, room);
	return count;
}

static size_t resident(pid_t pid)
{
	char name[NAME_LEN];
	size_t all, pages = 0;

	snprintf(name, sizeof name, "/proc/%d/statm", pid);
	FILE *const f = fopen(name, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%zu %zu", &all, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Is the process exiting? Its memory shrinks page by page then, which says nothing about the
 * program. Flags are the ninth field of stat, the seventh after the name in parentheses. */
static bool is_exiting(pid_t pid)
{
	enum { EXITING = 4 /* PF_EXITING of the kernel */ };
	char name[NAME_LEN], line[NAME_LEN];
	unsigned flags = 0;
	bool known = false;

	snprintf(name, sizeof name, "/proc/%d/stat", pid);
	FILE *const f = fopen(name, "re");
	if (f == NULL)
		return true;
	if (fgets(line, sizeof line, f) != NULL) {
		const char *const behind = strrchr(line, ')');
		known = behind != NULL && sscanf(behind + 1, " %*c %*d %*d %*d %*d %*d %u",
		    &flags) == 1;
	}
	fclose(f);
	return known && (flags & EXITING) != 0;
}

struct wanted_file {
	const char *base; /* "/libx.so" */
	ino_t inode;
	bool found;
};

/* The device that maps names is not always stat's (overlays): inode and name must do. */
static bool is_wanted(void *arg, const struct map_line *line)
{
	struct wanted_file *const w = arg;

	w->found = line->inode == w->inode && strstr(line->path, w->base) != NULL;
	return !w->found;
}

bool tree_has_mapped(pid_t pid, const char *path)
{
	const char *const slash = strrchr(path, '/');
	struct wanted_file w = {.base = slash != NULL ? slash : path};
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	w.inode = st.st_ino;
	maps_visit(pid, is_wanted, &w);
	return w.found;
}

struct loading {
	bool loader, libc;
};

static bool note_loader(void *arg, const struct map_line *line)
{
	struct loading *const l = arg;

	l->loader |= strstr(line->path, "/ld-") != NULL;
	l->libc |= strstr(line->path, "/libc.so.") != NULL || strstr(line->path, "/libc-") != NULL;
	return true;
}

/* The loader maps what is preloaded before libc. */
static bool still_loading(pid_t pid)
{
	struct loading l = {0};

	maps_visit(pid, note_loader, &l);
	return l.loader && !l.libc;
}

static bool still_this_program(pid_t pid)
{
	char name[NAME_LEN];
	struct stat theirs, ours;

	snprintf(name, sizeof name, "/proc/%d/exe", pid);
	return stat(name, &theirs) != 0 || stat("/proc/self/exe", &ours) != 0 ||
	    (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev);
}

static bool seen_before(struct tree_watch *w, pid_t pid)
{
	for (unsigned i = 0; i < w->known; i++)
		if (w->pid[i] == pid)
			return true;
	return false;
}

/* At the first look a process may be between fork and exec: judge at the second, or, if it is still
 * loading, later; once, and mark it so by the negative of its id. */
static void judge(struct tree_watch *w, pid_t pid)
{
	if (seen_before(w, -pid) || w->library == NULL)
		return;
	if (!seen_before(w, pid)) {
		if (w->known < TREE_MAX)
			w->pid[w->known++] = pid;
		return;
	}
	if (still_loading(pid))
		return;
	for (unsigned i = 0; i < w->known; i++)
		if (w->pid[i] == pid)
			w->pid[i] = -pid;
	if (still_this_program(pid))
		return;
	if (tree_has_mapped(pid, w->library))
		w->with++;
	else if (resident(pid) != 0) /* it did not just end */
		w->without++;
}

/* Between two looks resident memory is taken to change evenly; it begins at nothing. */
static void add_area(struct tree_watch *w, size_t rss, double now)
{
	const double since = w->last_rss != 0 ? w->last_at : w->began;

	w->byte_seconds += (now - since) * ((double)w->last_rss + (double)rss) / 2;
	w->last_rss = rss;
	w->last_at = now;
}

size_t tree_mean_rss(const struct tree_watch *w)
{
	const double seconds = w->last_at - w->began;

	return w->last_rss != 0 && seconds > 0 ? (size_t)(w->byte_seconds / seconds) : 0;
}

void tree_look(struct tree_watch *w, double now)
{
	pid_t below[TREE_MAX];
	const size_t count = tree_below(w->root, below, TREE_MAX);
	size_t sum = resident(w->root);

	judge(w, w->root);
	for (size_t i = 0; i < count; i++) {
		sum += resident(below[i]);
		judge(w, below[i]);
	}
	if (sum == 0 || is_exiting(w->root))
		return;
	add_area(w, sum, now);
	if (sum > w->peak_rss)
		w->peak_rss = sum;
}

void tree_kill(void)
{
	static const struct timespec pause = {.tv_nsec = 1000000};
	pid_t below[TREE_MAX];

	for (int i = 0; i < KILL_ROUNDS; i++) {
		const size_t count = tree_below(getpid(), below, TREE_MAX);
		for (size_t k = 0; k < count; k++)
			kill(below[k], SIGKILL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		nanosleep(&pause, NULL);
	}
}

/* ---- listening ------------------------------------------------------------------------------ */

static bool socket_listens(pid_t pid, const char *table, unsigned long inode)
{
	char name[NAME_LEN], line[512];
	bool found = false;

	snprintf(name, sizeof name, "/proc/%d/net/%s", pid, table);
	FILE *const f = fopen(name, "re");
	if (f == NULL)
		return false;
	while (!found && fgets(line, sizeof line, f) != NULL) {
		unsigned state, flags;
		unsigned long it;
		if (strcmp(table, "unix") == 0) /* flag 1 << 16: accepts connections */
			found = sscanf(line, "%*s %*s %*s %x %*s %*s %lu", &flags, &it) == 2 &&
			    (flags & 0x10000) != 0 && it == inode;
		else /* state 0A: TCP_LISTEN */
			found = sscanf(line, "%*s %*s %*s %x %*s %*s %*s %*s %*s %lu", &state,
			    &it) == 2 &&
			    state == 0x0a && it == inode;
	}
	fclose(f);
	return found;
}

static bool process_listens(pid_t pid)
{
	char name[NAME_LEN], target[64];
	bool found = false;

	snprintf(name, sizeof name, "/proc/%d/fd", pid);
	DIR *const fds = opendir(name);
	if (fds == NULL)
		return false;
	for (struct dirent *e; !found && (e = readdir(fds)) != NULL;) {
		unsigned long inode;
		snprintf(name, sizeof name, "/proc/%d/fd/%s", pid, e->d_name);
		const ssize_t n = readlink(name, target, sizeof target - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			found = socket_listens(pid, "tcp", inode) ||
			    socket_listens(pid, "tcp6", inode) ||
			    socket_listens(pid, "unix", inode);
	}
	closedir(fds);
	return found;
}

bool tree_listens(pid_t root)
{
	pid_t below[TREE_MAX];
	const size_t count = tree_below(root, below, TREE_MAX);

	if (process_listens(root))
		return true;
	for (size_t i = 0; i < count; i++)
		if (process_listens(below[i]))
			return true;
	return false;
}
