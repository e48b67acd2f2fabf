/* stress.c - THREADS threads, each of which allocates, forks, and adds up what its children found.
 *
 *   stress THREADS OPS     prints one number that depends on every byte written
 *
 * The numbers are each thread's own, so that the result does not depend on who ran when.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVE = 256, FORKS = 6, THREADS_MAX = 64 };

struct worker {
	uint64_t state, sum;
	unsigned ops;
	char *live[LIVE];
	size_t len[LIVE];
};

static uint64_t next(struct worker *w)
{
	w->state ^= w->state << 13, w->state ^= w->state >> 7, w->state ^= w->state << 17;
	return w->state;
}

static void add(struct worker *w, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		w->sum = (w->sum ^ (unsigned char)bytes[i]) * 0x100000001b3u;
}

/* One object is summed up, and freed, grown, or made anew. */
static void step(struct worker *w)
{
	const uint64_t random = next(w);
	const unsigned i = random % LIVE;
	const size_t n = 1 + (random >> 8) % (random % 50 == 0 ? 40000 : 400);

	add(w, w->live[i], w->len[i]);
	if (random >> 60 < 6) {
		w->live[i] = realloc(w->live[i], n);
	} else {
		free(w->live[i]);
		w->live[i] = random >> 60 < 8 ? calloc(1, n) : malloc(n);
	}
	if (w->live[i] == NULL)
		abort();
	w->len[i] = n;
	memset(w->live[i], (int)(random >> 40), n);
}

/* The child goes on with a copy of the heap, and tells its sum through a pipe. */
static void ask_child(struct worker *w)
{
	int end[2], status;
	uint64_t sum;

	if (pipe(end) != 0)
		abort();
	const pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		for (unsigned i = 0; i < w->ops / 10; i++)
			step(w);
		if (write(end[1], &w->sum, sizeof w->sum) != sizeof w->sum)
			_exit(1);
		_exit(0);
	}
	close(end[1]);
	if (pid < 0 || read(end[0], &sum, sizeof sum) != sizeof sum ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		abort();
	close(end[0]);
	w->sum ^= sum * 31;
}

static void *work(void *arg)
{
	struct worker *const w = arg;

	for (unsigned fork_number = 0; fork_number < FORKS; fork_number++) {
		for (unsigned i = 0; i < w->ops; i++)
			step(w);
		ask_child(w);
	}
	for (unsigned i = 0; i < LIVE; i++)
		free(w->live[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker worker[THREADS_MAX];
	pthread_t thread[THREADS_MAX];
	uint64_t sum = 0;

	const unsigned threads = argc > 2 ? (unsigned)atoi(argv[1]) : 0;
	if (threads == 0 || threads > THREADS_MAX)
		return fprintf(stderr, "usage: stress THREADS OPS\n"), 2;
	for (unsigned i = 0; i < threads; i++) {
		worker[i] = (struct worker){.state = 0x9e3779b97f4a7c15u * (i + 1),
		    .ops = (unsigned)atoi(argv[2])};
		if (pthread_create(&thread[i], NULL, work, &worker[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(thread[i], NULL);
		sum = sum * 31 + worker[i].sum;
	}
	printf("%016llx\n", (unsigned long long)sum);
	return 0;
}
