/* counted.c - N calls of each kind, by two threads: `counted N`. */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void *call(void *arg)
{
	const size_t rounds = *(const size_t *)arg;

	for (size_t i = 0; i < rounds; i++) {
		char *volatile p = malloc(i % 5000 + 1);
		char *volatile q = calloc(3, i % 700 + 1);
		char *volatile r = aligned_alloc(64, 100 + i % 300);
		p = realloc(p, i % 9000 + 1);
		p = realloc(p, i % 100 + 1);
		free(p);
		free(NULL);
		free(q);
		free(r);
		free(malloc(i % 50 == 0 ? 200000 : 10));
		free(malloc(20));
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	pthread_t other;

	if (pthread_create(&other, NULL, call, &rounds) != 0)
		return 1;
	call(&rounds);
	return pthread_join(other, NULL);
}
