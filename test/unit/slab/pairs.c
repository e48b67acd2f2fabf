/* pairs.c - COUNT times malloc(32) and free, for test/unit/slab/callgrind. */
#include <stdlib.h>

int main(int argc, char **argv)
{
	const long count = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

	for (long i = 0; i < count; i++) {
		void *volatile p = malloc(32);
		free(p);
	}
	return 0;
}
