/* first_copy.c - a library whose constructor starts threads that copy, before libdmm-hardened.so
 * has looked up the C library's functions: preloaded behind it.
 *
 * Each of TRIALS children starts THREADS threads that call strcpy at the same moment, the first
 * call of the process.  The constructor ends the program: 0 if all children copied, else 1. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIALS = 60, THREADS = 4 };

static pthread_barrier_t together;

static void *copy(void *arg)
{
	char to[32];

	pthread_barrier_wait(&together);
	strcpy(to, arg);
	return strcmp(to, arg) == 0 ? arg : NULL;
}

static int child(void)
{
	static char text[] = "first of all";
	pthread_t thread[THREADS];
	int wrong = 0;

	pthread_barrier_init(&together, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, copy, text) != 0)
			abort();
	for (int i = 0; i < THREADS; i++) {
		void *done;
		pthread_join(thread[i], &done);
		wrong += done == NULL;
	}
	return wrong;
}

__attribute__((constructor)) static void begin(void)
{
	int failed = 0;

	for (int i = 0; i < TRIALS; i++) {
		const pid_t pid = fork();
		int status = 1;
		if (pid == 0)
			_exit(child());
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			failed++;
	}
	if (failed != 0)
		fprintf(stderr, "%d of %d first copies failed\n", failed, TRIALS);
	_exit(failed != 0);
}
