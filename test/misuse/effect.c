/* effect.c - answers one question about slab's settings in this program, for settings.py.
 *
 *   LD_PRELOAD=libdmm.so DMM_CONF=... trust_effect QUESTION
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "slab/thread_cache.h"

enum { MIB = 1 << 20 };

/* The library finds this one before the C library's. */
static volatile int allowed;
__attribute__((visibility("default"))) int prctl(int option, ...)
{
	va_list args;

	va_start(args, option);
	allowed += option == PR_SET_PTRACER && va_arg(args, unsigned long) == PR_SET_PTRACER_ANY;
	va_end(args);
	return 0;
}

/* A line of a file in /proc/self that gives KiB: MiB. */
static double proc_mib(const char *path, const char *key)
{
	char line[256];
	double kib = 0;
	FILE *const f = fopen(path, "r");

	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			kib = strtod(line + strlen(key), NULL);
	if (f != NULL)
		fclose(f);
	return kib / 1024;
}

/* The same of VmRSS, and allocates nothing: a call may give memory back. */
static double resident_mib(void)
{
	char text[128] = "";
	long pages = 0;
	const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || sscanf(text, "%*d %ld", &pages) != 1)
		exit(1);
	close(fd);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / MIB;
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

static void *blocks[64];

static void take_again(int from, int count)
{
	for (int i = from; i < from + count; i++)
		memset(blocks[i] = malloc(MIB), 1, MIB);
}

static void take(int count)
{
	take_again(0, count);
}

static void give(int from, int count)
{
	for (int i = from; i < from + count; i++)
		free(blocks[i]);
}

/* Most free objects of n bytes that the thread was seen to keep. */
static size_t kept(size_t n)
{
	enum { COUNT = 1000 };
	static void *objects[COUNT];
	const struct slab_root *const r = dlsym(RTLD_DEFAULT, "dmm_slab_root");
	unsigned cls = 1;
	size_t most = 0;

	for (int i = 0; i < COUNT; i++)
		objects[i] = malloc(n);
	while (r->class_table[cls].size < n)
		cls++;
	for (int i = 0; i < COUNT; i++) {
		free(objects[i]);
		const struct slab_heap *const h = r->heaps[HEAP_FIRST];
		char *const magazines = (char *)(uintptr_t)h + HEAP_HEAD;
		void **const top = h->owner->magazine[cls].top;
		void **const large = (void **)(magazines + CLASS_MAX * MAGAZINE_SMALL_BYTES + cls *
		    MAGAZINE_BYTES) + 1;
		void **const small = (void **)(magazines + cls * MAGAZINE_SMALL_BYTES) + 1;
		most = max_size(most, (size_t)(top - (top < large ? small : large)));
	}
	return most;
}

/* Page faults of a move of 32 MiB that has no room to grow where it is. */
static long faults_of_a_move(void)
{
	struct rusage before, after;
	char *p = malloc(32 * MIB);
	void *const behind = malloc(32 * MIB);

	memset(p, 1, 32 * MIB);
	getrusage(RUSAGE_SELF, &before);
	p = realloc(p, 64 * MIB);
	getrusage(RUSAGE_SELF, &after);
	free(behind);
	if (p == NULL || p[32 * MIB - 1] != 1)
		exit(1);
	return after.ru_minflt - before.ru_minflt;
}

static int allowed_in_a_child(void)
{
	int status;

	allowed = 0;
	const pid_t child = fork();
	if (child == 0)
		_exit(allowed);
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

/* A thread that keeps one object of 2,500 bytes in a heap of written bytes, and sleeps. */
static void *sleep_with_written_objects(void *ready)
{
	static void *volatile kept;
	void *p[200];

	for (int i = 0; i < 200; i++)
		p[i] = memset(malloc(7000), 'A', 7000);
	for (int i = 0; i < 200; i++)
		free(p[i]);
	kept = malloc(2500);
	sem_post(ready);
	pause();
	return kept;
}

/* How a child ends that takes and frees objects of the heap of a thread that it does not have. */
static int end_of_an_heir(void)
{
	pthread_t thread;
	sem_t ready;
	int status;
	void *p[100];

	sem_init(&ready, 0, 0);
	if (pthread_create(&thread, NULL, sleep_with_written_objects, &ready) != 0)
		exit(1);
	sem_wait(&ready);
	const pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 100; i++)
			p[i] = malloc(2500);
		for (int i = 0; i < 100; i++)
			free(p[i]);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return status;
}

/* One that has a heap, and sleeps. */
static void *sleep_with_a_heap(void *ready)
{
	free(malloc(100));
	sem_post(ready);
	pause();
	return NULL;
}

static void begin_a_thread(void)
{
	static sem_t ready;
	pthread_t thread;

	sem_init(&ready, 0, 0);
	if (pthread_create(&thread, NULL, sleep_with_a_heap, &ready) != 0)
		exit(1);
	sem_wait(&ready);
}

int main(int argc, char **argv)
{
	const char *const what = argc == 3 ? argv[1] : "";
	const int n = argc == 3 ? atoi(argv[2]) : 0;

	if (strcmp(what, "falls") == 0) { /* RSS once it is below 29 MiB, or after n ms */
		begin_a_thread();
		take(64);
		give(16, 48);
		for (int i = 0; i < n / 10 && resident_mib() >= 29; i++)
			sleep_ms(10);
		printf("%.0f\n", resident_mib());
	} else if (strcmp(what, "kept") == 0) { /* of n bytes */
		printf("%zu\n", kept((size_t)n));
	} else if (strcmp(what, "later-with-a-thread") == 0) { /* RSS, and after how many ms */
		begin_a_thread();
		take(64);
		const long began = now_ms();
		give(16, 48);
		sleep_ms(n);
		const double mib = resident_mib();
		printf("%.0f %ld\n", mib, now_ms() - began);
	} else if (strcmp(what, "again") ==
	    0) { /* of n turns in which 48 of 64 MiB come and go, RSS after the last */
		take(64);
		give(16, 48);
		for (int i = 0; i < n; i++) {
			take_again(16, 48);
			give(16, 48);
		}
		printf("%.0f\n", proc_mib("/proc/self/status", "VmRSS:"));
	} else if (strcmp(what, "later") == 0) { /* RSS n ms after 48 of 64 MiB were freed */
		take(64);
		give(16, 48);
		sleep_ms(n);
		printf("%.0f\n", proc_mib("/proc/self/status", "VmRSS:"));
	} else if (strcmp(what, "huge") == 0) { /* of n MiB */
		take(n);
		printf("%.0f\n", proc_mib("/proc/self/smaps_rollup", "AnonHugePages:"));
	} else if (strcmp(what, "ahead") == 0) { /* accessible, with n MiB in use */
		take(n);
		printf("%.0f\n", proc_mib("/proc/self/status", "VmData:"));
	} else if (strcmp(what, "moved") == 0) {
		printf("%ld\n", faults_of_a_move());
	} else if (strcmp(what, "heir") == 0) {
		printf("%d\n", end_of_an_heir());
	} else if (strcmp(what, "observed") == 0) {
		free(malloc(1));
		printf("%d ", allowed);
		printf("%d\n", allowed_in_a_child());
	} else {
		return 2;
	}
	return 0;
}
