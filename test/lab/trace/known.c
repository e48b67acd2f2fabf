/* known.c - a program whose every call is known: THREADS threads that free each other's objects.
 *
 *   known THREADS CALLS LOG     LOG gets a line for each call, thread by thread: tid op address
 *                               size
 *
 * Its log is mapped, so that keeping it calls no malloc.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/rng.h"

enum { MAILBOXES = 64, THREADS_MAX = 64 };

struct call {
	char op;
	void *p;
	size_t n;
};

static _Atomic(void *) mailbox[MAILBOXES];
static size_t calls;
static struct call *log_of[THREADS_MAX];
static int tid_of[THREADS_MAX];

static void *run(void *arg)
{
	const size_t me = (size_t)arg;
	struct rng rng = {me};
	struct call *at = log_of[me];

	tid_of[me] = (int)syscall(SYS_gettid);
	while (at < log_of[me] + calls - 1) {
		const size_t n = 1 + rng_below(&rng, 400);
		char *p = malloc(n);
		*at++ = (struct call){'m', p, n};
		p[0] = 1;
		void *const q = atomic_exchange(&mailbox[rng_below(&rng, MAILBOXES)], p);
		if (q != NULL) {
			*at++ = (struct call){'f', q, 0};
			free(q);
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS_MAX];
	const size_t threads = strtoul(argv[1], NULL, 10);

	calls = strtoul(argv[2], NULL, 10);
	if (argc != 4 || threads > THREADS_MAX)
		return 2;
	for (size_t i = 0; i < threads; i++)
		log_of[i] = mmap(NULL, calls * sizeof(struct call), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < threads; i++)
		pthread_create(&thread[i], NULL, run, (void *)i);
	for (size_t i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	const int fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	for (size_t i = 0; i < threads; i++)
		for (const struct call *c = log_of[i]; c < log_of[i] + calls && c->op != 0; c++)
			dprintf(fd, "%d %c %lx %zu\n", tid_of[i], c->op, (unsigned long)c->p, c->n);
	close(fd);
	return 0;
}
