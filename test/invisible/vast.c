/* vast.c - objects as large as the address space allows, each in a mapping of its own.
 *
 *   vast sizes     what glibc gives under this kernel's overcommitment, and 16 TiB at least on 47
 *                  bits
 *   vast moves     realloc moves pages, not bytes, and is one system call
 *   vast touched   an object of which one byte is touched costs the same at each size
 *   vast time      prints that cost
 *   vast free|inside|resize   misuse: ends by a message
 *
 * Exit 0: as it must be.  1: what was not.  77: the kernel promises no such object.
 */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static const size_t GIB = (size_t)1 << 30;

static void expect(int it, const char *what)
{
	if (it)
		return;
	fprintf(stderr, "vast: not so: %s\n", what);
	exit(1);
}

/* The kernel's answer to a malloc that asks it for each object. */
static size_t from_kernel(size_t n, size_t count)
{
	void *p[256];
	size_t i = 0;

	for (; i < count; i++) {
		p[i] = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p[i] == MAP_FAILED)
			break;
	}
	for (size_t k = 0; k < i; k++)
		munmap(p[k], n);
	return i;
}

static size_t from_malloc(size_t n, size_t count)
{
	char *p[256];
	size_t i = 0;

	while (i < count && (p[i] = malloc(n)) != NULL) {
		p[i][0] = p[i][n - 1] = (char)(i + 1);
		i++;
	}
	for (size_t k = 0; k < i; k++) {
		expect(p[k][0] == (char)(k + 1) && p[k][n - 1] == (char)(k + 1),
		    "each has its own bytes");
		expect(malloc_usable_size(p[k]) >= n, "all of it is usable");
		free(p[k]);
	}
	return i;
}

static void sizes(void)
{
	static const struct {
		size_t gib, count;
	} asked[] = {{1, 8}, {4, 2}, {8, 2}, {64, 16}, {600, 1}, {600, 27}, {2048, 8}};

	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		const size_t n = asked[i].gib * GIB, kernel = from_kernel(n, asked[i].count);
		const size_t got = from_malloc(n, asked[i].count);
		fprintf(stderr, "vast: %zu x %zu GiB: %zu, the kernel gives %zu\n", asked[i].count,
		    asked[i].gib,
		    got, kernel);
		expect(got >= kernel, "as much as the kernel gives");
	}
}

/* A kernel refuses one object that is larger than its memory and its swap. */
static void skip_unless_given(size_t n)
{
	if (from_kernel(n, 1) == 1)
		return;
	printf("vast: skipped: the kernel gives no %zu GiB\n", n / GIB);
	exit(77);
}

static void moves(void)
{
	skip_unless_given(7 * GIB);
	char *p = malloc(GIB);

	expect(p != NULL, "1 GiB");
	p[0] = 1, p[GIB - 1] = 2;
	p = realloc(p, 5 * GIB);
	expect(p != NULL && p[0] == 1 && p[GIB - 1] == 2 && p[5 * GIB - 1] == 0, "it grows");
	p[5 * GIB - 1] = 3;
	p = realloc(p, 2 * GIB);
	expect(p != NULL && p[0] == 1 && p[GIB - 1] == 2, "it shrinks");
	p = realloc(p, 100000);
	expect(p != NULL && p[0] == 1 && malloc_usable_size(p) < 200000, "it shrinks much");
	p = realloc(p, 100);
	expect(p != NULL && p[0] == 1, "it becomes small");
	free(p);
	char *q = malloc(900 << 20);
	expect(q != NULL, "900 MiB");
	q[0] = 4, q[(900 << 20) - 1] = 5;
	q = realloc(q, 3 * GIB);
	expect(q != NULL && q[0] == 4 && q[(900 << 20) - 1] == 5, "what lay in the heap leaves it");
	free(q);
	char *const a = aligned_alloc(4 * GIB, 2 * GIB);
	expect(a != NULL && (uintptr_t)a % (4 * GIB) == 0, "it is aligned");
	free(a);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds of the fastest of some rounds of malloc, one touch, free; 0: there is none. */
static double best_round(size_t gib)
{
	double best = 0;

	for (int i = 0; i < 50; i++) {
		const double from = now();
		char *const p = malloc(gib * GIB);
		if (p == NULL)
			return 0;
		p[0] = 1;
		free(p);
		const double us = now() - from;
		best = i == 0 || us < best ? us : best;
	}
	return best;
}

static void time_rounds(void)
{
	for (size_t gib = 1; gib <= 64; gib *= 4) {
		const double best = best_round(gib);
		if (best > 0)
			printf("%zu GiB: %.1f us\n", gib, best);
		else
			printf("%zu GiB: the kernel gives none\n", gib);
	}
}

/* What grows with the size took 53 us for 1 GiB, and 1,600 us for 16. */
static void touched(void)
{
	const double one = best_round(1);

	for (size_t gib = 4; gib <= 64; gib *= 4) {
		const double us = best_round(gib);
		if (us > 8 * one + 100)
			fprintf(stderr, "1 GiB: %.1f us, %zu GiB: %.1f us\n", one, gib, us);
		expect(us <= 8 * one + 100, "a larger object costs no more");
	}
}

int main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "sizes";

	if (strcmp(what, "sizes") == 0) {
		sizes();
	} else if (strcmp(what, "moves") == 0) {
		moves();
	} else if (strcmp(what, "time") == 0) {
		time_rounds();
	} else if (strcmp(what, "touched") == 0) {
		skip_unless_given(4 * GIB);
		touched();
	} else {
		skip_unless_given(4 * GIB);
		char *volatile p = malloc(2 * GIB);
		expect(p != NULL, "2 GiB");
		if (strcmp(what, "inside") == 0)
			free(p + 16);
		free(p);
		if (strcmp(what, "resize") == 0)
			p = realloc(p, 3 * GIB);
		free(p);
		return 1; /* nobody said anything */
	}
	return 0;
}
