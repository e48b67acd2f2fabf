/* sparse.c - large arrays of which little is touched: calloc of 5 to 25 MiB, 2,000 rounds.
 *
 * Exit 0: each read as zero, and that cost fewer page faults than a tenth of their pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

int main(void)
{
	enum { ROUNDS = 2000, SLOTS = 20 };
	static const size_t MIB = 1 << 20;
	static unsigned char *p[SLOTS];
	struct timespec from, to;
	struct rusage use;
	unsigned random = 4711;
	size_t pages = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < ROUNDS; i++) {
		random = random * 1103515245 + 12345;
		const size_t n = 5 * MIB + (random >> 8) % (20 * MIB), k = (random >> 4) % SLOTS;
		free(p[k]);
		p[k] = calloc(1, n);
		if (p[k] == NULL || p[k][0] != 0 || p[k][n / 2] != 0 || p[k][n - 1] != 0)
			return 1;
		p[k][n / 3] = 1;
		pages += n / 4096;
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	getrusage(RUSAGE_SELF, &use);
	const double seconds =
	    (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
	printf("%.3f s, %ld faults, %zu pages\n", seconds, use.ru_minflt, pages);
	const double user = (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6;
	return (size_t)use.ru_minflt > pages / 10 || user > 2;
}
