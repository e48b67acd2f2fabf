/* libc.h - what glibc has and musl has not, under one name.
 *
 * This is the only page that asks which C library a program is built for.  What is declared here in
 * glibc's name for another library has glibc's layout: programs that preload the library know none
 * other.
 */
#ifndef OS_LIBC_H
#define OS_LIBC_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#if defined(__GLIBC__)
#include <sys/single_threaded.h>

/* True: there is one thread, and no other can start before the caller returns. */
static inline bool libc_single_threaded(void)
{
	return __libc_single_threaded;
}
#else
/* musl keeps that number to itself. */
static inline bool libc_single_threaded(void)
{
	return false;
}

struct mallinfo {
	int arena, ordblks, smblks, hblks, hblkhd;
	int usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct mallinfo2 {
	size_t arena, ordblks, smblks, hblks, hblkhd;
	size_t usmblks, fsmblks, uordblks, fordblks, keepcost;
};
struct mallinfo mallinfo(void);
struct mallinfo2 mallinfo2(void);
int mallopt(int param, int value);
int malloc_trim(size_t pad);
int malloc_info(int options, FILE *out);
void malloc_stats(void);
void *pvalloc(size_t n);
void cfree(void *p);

/* mallopt()'s parameters. */
enum {
	M_MXFAST = 1,
	M_NLBLKS = 2,
	M_GRAIN = 3,
	M_KEEP = 4,
	M_TRIM_THRESHOLD = -1,
	M_TOP_PAD = -2,
	M_MMAP_THRESHOLD = -3,
	M_MMAP_MAX = -4,
	M_CHECK_ACTION = -5,
	M_PERTURB = -6,
	M_ARENA_TEST = -7,
	M_ARENA_MAX = -8,
};
#endif

#endif
