/* memory_process.c - the memory of a running process, by process_vm_readv(2) and /proc/PID/maps. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "process/maps.h"
#include "process/memory.h"

/* A fault ends the call at its piece: note what came, step over one, go on. */
static void read_process(struct memory *m, struct memory_piece *pieces, size_t count)
{
	struct iovec local[MEMORY_BATCH], remote[MEMORY_BATCH];

	for (size_t i = 0; i < count; i++) {
		local[i] = (struct iovec){pieces[i].to, pieces[i].len};
		remote[i] = (struct iovec){(void *)(uintptr_t)pieces[i].addr, pieces[i].len};
	}
	for (size_t from = 0; from < count;) {
		const ssize_t r =
		    process_vm_readv(m->pid, local + from, count - from, remote + from,
		    count - from, 0);
		size_t left = r > 0 ? (size_t)r : 0;
		if (r < 0)
			m->error = errno;
		while (from < count && left >= pieces[from].len) {
			left -= pieces[from].len;
			pieces[from++].got = true;
		}
		if (r < 0 && m->error != EFAULT)
			return;
		from += from < count;
	}
}

static bool read_word(const char *format, pid_t pid, char *to, size_t room)
{
	char path[64];

	snprintf(path, sizeof path, format, pid);
	FILE *const f = fopen(path, "re");
	if (f == NULL)
		return false;
	const bool got = fgets(to, (int)room, f) != NULL;
	fclose(f);
	if (got)
		to[strcspn(to, "\n")] = '\0';
	return got;
}

static bool add_line(void *arg, const struct map_line *line)
{
	const struct memory_mapping map = {.start = line->start,
	    .end = line->end,
	    .offset = line->offset,
	    .writable = line->writable,
	    .file = line->path[0] == '/',
	    .path = (char *)(uintptr_t)line->path};

	memory_add_mapping(arg, &map);
	return true;
}

bool memory_update_threads(struct memory *m)
{
	char path[64];

	if (!m->live)
		return true;
	snprintf(path, sizeof path, "/proc/%d/task", m->pid);
	DIR *const d = opendir(path);
	if (d == NULL)
		return false;
	m->thread_count = 0;
	for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
		if (atoi(entry->d_name) > 0)
			memory_add_thread(m, atoi(entry->d_name));
	closedir(d);
	return m->thread_count != 0;
}

static bool forbidden(struct memory_error *e, const char *title)
{
	char scope[8] = "";

	read_word("/proc/sys/kernel/yama/ptrace_scope", 0, scope, sizeof scope);
	if (atoi(scope) > 0 && geteuid() != 0)
		return memory_refuse(e, "%s may not be read: kernel.yama.ptrace_scope is %s here. "
		                        "Run dmm as root, or start the program with "
		                        "DMM_CONF=observe:1, or let it call prctl(PR_SET_PTRACER, "
		                        "PR_SET_PTRACER_ANY), or set it to 0",
		    title, scope);
	return memory_refuse(e, "%s may not be read: it is another user's, or protected. "
	                        "Run dmm as that user or as root%s", title,
	    geteuid() == 0 ? ", with CAP_SYS_PTRACE" : "");
}

static const struct memory_source source = {.read = read_process};

bool memory_open_process(struct memory *m, pid_t pid, struct memory_error *e)
{
	char byte;

	*m = (struct memory){.pid = pid, .live = true, .source = &source};
	if (!read_word("/proc/%d/comm", pid, m->name, sizeof m->name))
		return memory_refuse(e, "there is no process %d", pid);
	snprintf(m->title, sizeof m->title, "process %d (%s)", pid, m->name);
	const int error = maps_visit(pid, add_line, m);
	if (error != 0)
		return error == ENOENT || error == ESRCH
		    ? memory_refuse(e, "%s has ended", m->title)
		                                         : forbidden(e, m->title);
	if (m->map_count == 0)
		return memory_refuse(e, kill(pid, 0) == 0 || errno == EPERM
		        ? "%s has no memory: it is a thread of the kernel, or has just ended"
		        : "%s has ended", m->title);
	m->error = 0;
	if (!memory_read(m, m->maps[0].start, &byte, 1) &&
	    (m->error == EPERM || m->error == ENOSYS))
		return forbidden(e, m->title);
	if (!memory_update_threads(m))
		return memory_refuse(e, "%s has ended", m->title);
	return true;
}
