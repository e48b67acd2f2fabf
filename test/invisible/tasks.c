/* tasks.c - see tasks.h. */
#include "tasks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void wrong(const char *what)
{
	fprintf(stderr, "wrong: %s%s%s\n", what, errno != 0 ? ": " : "",
	    errno != 0 ? strerror(errno) : "");
	_exit(1);
}

void skip(const char *why)
{
	printf("skipped: %s%s%s\n", why, errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	fflush(stdout);
	_exit(SKIPPED);
}

void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

void come_and_go(size_t mib)
{
	enum { OBJECT = 2000 };
	const size_t count = (mib << 20) / OBJECT;
	char **const all = malloc(count * sizeof *all);

	if (all == NULL)
		wrong("no memory");
	for (size_t i = 0; i < count; i++) {
		if ((all[i] = malloc(OBJECT)) == NULL)
			wrong("no memory");
		memset(all[i], 1, OBJECT);
	}
	for (size_t i = 0; i < count; i++)
		free(all[i]);
	free(all);
}

static pthread_t thread;
static sem_t waits, may_end;
static unsigned linger_ms;
static pid_t thread_tid;

static void *have_a_heap_and_wait(void *arg)
{
	thread_tid = (pid_t)syscall(SYS_gettid);
	free(malloc(100));
	sem_post(&waits);
	sem_wait(&may_end);
	sleep_ms(linger_ms);
	return arg;
}

void begin_thread(void)
{
	sem_init(&waits, 0, 0);
	sem_init(&may_end, 0, 0);
	if (pthread_create(&thread, NULL, have_a_heap_and_wait, NULL) != 0)
		wrong("no thread");
	sem_wait(&waits);
}

/* pthread_join() returns a moment before the kernel has let go of the thread. */
void until_gone(pid_t tid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/task/%d", (int)tid);
	for (int i = 0; i < 10000 && access(path, F_OK) == 0; i++)
		sleep_ms(1);
}

void end_thread(void)
{
	sem_post(&may_end);
	pthread_join(thread, NULL);
	until_gone(thread_tid);
}

void end_thread_in_ms(unsigned ms)
{
	linger_ms = ms;
	sem_post(&may_end);
}

void each_task(void (*look)(pid_t tid))
{
	DIR *const d = opendir("/proc/self/task");

	if (d == NULL)
		skip("/proc/self/task");
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		if (e->d_name[0] != '.')
			look((pid_t)atoi(e->d_name));
	closedir(d);
}

static size_t counted;

static void count(pid_t tid)
{
	(void)tid;
	counted++;
}

size_t count_tasks(void)
{
	counted = 0;
	each_task(count);
	return counted;
}

size_t await_tasks(size_t count)
{
	for (int i = 0; i < 1000 && count_tasks() != count; i++)
		sleep_ms(10);
	return count_tasks();
}

bool task_line(pid_t tid, const char *key, char *line, size_t cap)
{
	char path[64];
	bool found = false;

	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)tid);
	FILE *const f = fopen(path, "r");
	while (f != NULL && !found && fgets(line, (int)cap, f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0) {
			memmove(line, line + strlen(key), strlen(line) - strlen(key) + 1);
			line[strcspn(line, "\n")] = '\0';
			found = true;
		}
	if (f != NULL)
		fclose(f);
	return found;
}

static const char *wanted;
static pid_t match;

static void compare(pid_t tid)
{
	char line[128];

	if (task_line(tid, "Name:\t", line, sizeof line) && strcmp(line, wanted) == 0)
		match = tid;
}

pid_t find_task(const char *name)
{
	wanted = name;
	match = 0;
	each_task(compare);
	return match;
}

pid_t await_task(const char *name)
{
	for (int i = 0; i < 6000; i++) {
		const pid_t tid = find_task(name);
		if (tid != 0)
			return tid;
		sleep_ms(10);
	}
	return 0;
}

/* False: there is no such file. */
static bool read_file(const char *path, char *text, size_t cap)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? read(fd, text, cap - 1) : -1;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

double rss_mib(void)
{
	char text[1024];
	long pages = 0, kib = 0;

	/* The kernel walks the page tables for this file.  It counts for statm by sums of each
	 * processor, which on many processors may be off by megabytes. */
	const char *const at = read_file("/proc/self/smaps_rollup", text, sizeof text)
	    ? strstr(text, "\nRss:")
	    : NULL;
	if (at != NULL && sscanf(at, "\nRss: %ld", &kib) == 1)
		return (double)kib / 1024;
	if (!read_file("/proc/self/statm", text, sizeof text) ||
	    sscanf(text, "%*d %ld", &pages) != 1)
		skip("/proc/self/statm");
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}
