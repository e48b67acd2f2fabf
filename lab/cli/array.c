/* array.c - arrays that grow by doubling. */
#include "cli/array.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/lab.h"

enum { LEAST = 64 }; /* elements of the first room */

bool array_reserve(void *array, size_t *cap, size_t need, size_t size)
{
	size_t more = max_size(*cap, LEAST);
	char *old;

	if (need <= *cap)
		return true;
	while (more < need)
		if (__builtin_mul_overflow(more, (size_t)2, &more))
			return false;
	memcpy(&old, array, sizeof old);
	char *const grown = reallocarray(old, more, size);
	if (grown == NULL)
		return false;
	memset(grown + *cap * size, 0, (more - *cap) * size);
	memcpy(array, &grown, sizeof grown);
	*cap = more;
	return true;
}

void array_grow(void *array, size_t *cap, size_t need, size_t size)
{
	if (!array_reserve(array, cap, need, size))
		lab_die(EXIT_OURS, "no memory for a table of %zu entries", need);
}
