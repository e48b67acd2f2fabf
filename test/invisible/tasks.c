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

static void *have_a_heap_and_wait(void *arg)
{
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

void end_thread(void)
{
	sem_post(&may_end);
	pthread_join(thread, NULL);
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
	for (int i = 0; i < 1000; i++) {
		const pid_t tid = find_task(name);
		if (tid != 0)
			return tid;
		sleep_ms(10);
	}
	return 0;
}

double rss_mib(void)
{
	char text[256] = "";
	long pages = 0;
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%*d %ld", &pages) != 1)
		skip("/proc/self/statm");
	close(fd);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}
