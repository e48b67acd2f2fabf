/* hostile.c - a thread and a process with names that contain a terminal's escape sequences.
 *
 * It says "ready" and waits until its stdin ends. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NAME "\033[31mEVIL\007\n"

static void *live(void *arg)
{
	void *volatile mine = malloc(1000);
	prctl(PR_SET_NAME, NAME);
	if (write(STDOUT_FILENO, "ready\n", 6) != 6)
		return NULL;
	pause();
	free(mine);
	return arg;
}

int main(void)
{
	pthread_t thread;
	char byte;

	prctl(PR_SET_NAME, NAME);
	for (int i = 0; i < 1000; i++)
		*(void *volatile *)malloc(64) = NULL;
	if (pthread_create(&thread, NULL, live, NULL) != 0)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(0);
}
