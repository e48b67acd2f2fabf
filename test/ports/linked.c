/* linked.c - does slab serve a program that is linked with libdmm.a?  Prints the usable size of 100
 * bytes: 112 of slab, 100 of a sanitizer's malloc. */
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 500, ROUNDS = 20, THREADS = 4 };

static void *work(void *arg)
{
	char *p[OBJECTS];

	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < OBJECTS; i++)
			memset(p[i] = malloc(8 + i * 7), 1, 8 + i * 7);
		for (size_t i = 0; i < OBJECTS; i++)
			free(p[i]);
	}
	return arg;
}

int main(void)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, NULL) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	void *volatile p = malloc(100);
	printf("%zu\n", malloc_usable_size(p));
	free(p);
	return 0;
}
