/* static_tls.c - threads that allocate, in a program with TLS_KIB of static thread-local storage of
 * its own.
 *
 *   LD_PRELOAD=libdmm.so static_tls_150 MS
 *
 * Two threads allocate and free so much that a helper comes and goes; each has filled its
 * thread-local storage with a pattern, and finds it as it was.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tasks.h"

/* Of 10 ms each: a busy machine may take so long until a helper comes. */
enum { SLICES_MOST = 6000 };
static __thread unsigned char own[TLS_KIB << 10];
static _Atomic bool stop;
static pid_t tids[2];

static void fill_own(unsigned char with)
{
	for (size_t i = 0; i < sizeof own; i++)
		own[i] = (unsigned char)(with + i / 7);
}

static void check_own(unsigned char with)
{
	for (size_t i = 0; i < sizeof own; i++)
		if (own[i] != (unsigned char)(with + i / 7))
			wrong("thread-local storage has changed");
}

static void *work(void *arg)
{
	const unsigned char me = (unsigned char)(size_t)arg;

	tids[me / 50] = (pid_t)syscall(SYS_gettid);
	fill_own(me);
	while (!stop) {
		come_and_go(8);
		sleep_ms(50);
		check_own(me);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[2];
	const int slices = argc == 2 ? atoi(argv[1]) / 10 : 0;
	bool seen = false;

	fill_own(100);
	for (size_t i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(i * 50)) != 0)
			wrong("no thread");
	for (int i = 0; i < slices || (!seen && i < SLICES_MOST); i++) {
		sleep_ms(10);
		seen = seen || find_task("dmm-purge") != 0;
	}
	stop = true;
	for (size_t i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < 2; i++)
		until_gone(tids[i]);
	check_own(100);
	errno = 0;
	if (getenv("LD_PRELOAD") != NULL && !seen)
		wrong("no helper came, so nothing is tested");
	if (await_tasks(1) != 1)
		wrong("a task is left when the threads have been joined");
	return 0;
}
