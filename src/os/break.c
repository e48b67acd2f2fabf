/* break.c - see break.h. */
#include "os/break.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

#if defined(__GLIBC__)
void *break_get(void)
{
	return sbrk(0); /* with 0 it only asks; moving by sbrk overflows badly */
}

/* The kernel returns where the break is. brk(3) counts any break that is not below `to` as success:
 * also a refused lower break (beyond RLIMIT_DATA the kernel refuses any), and the error of a
 * seccomp filter. */
int break_set(void *to)
{
	const int r = brk(to);

	if (r == 0 && sbrk(0) != to) {
		errno = ENOMEM;
		return -1;
	}
	return r;
}
#else
enum { PAGE = 1 << 16 }; /* a multiple of every page size */

static const size_t MOST = (size_t)64 << 30, LEAST = (size_t)1 << 30;
static char *base, *now, *end;

static bool reserve(void)
{
	for (size_t len = MOST; base == NULL && len >= LEAST; len /= 2) {
		void *const p = mmap(NULL, len, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			continue;
		base = now = (char *)round_up((uintptr_t)p, PAGE);
		end = (char *)round_down((uintptr_t)p + len, PAGE);
	}
	return base != NULL;
}

void *break_get(void)
{
	return reserve() ? now : NULL;
}

static char *page_above(char *p)
{
	return (char *)round_up((uintptr_t)p, PAGE);
}

int break_set(void *to)
{
	if (!reserve() || (char *)to < base || (char *)to > end) {
		errno = ENOMEM;
		return -1;
	}
	char *const have = page_above(now), *const want = page_above(to);
	if (want > have && mprotect(have, ptr_diff(want, have), PROT_READ | PROT_WRITE) != 0)
		return -1;
	/* a new mapping in its place: no memory, and zeros when it is accessible again */
	if (want < have && mmap(want, ptr_diff(have, want), PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -1;
	if ((char *)to < now)
		memset(to, 0, ptr_diff(now < want ? now : want, to));
	now = to;
	return 0;
}
#endif
