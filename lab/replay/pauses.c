/* pauses.c - see pauses.h. */
#include "replay/pauses.h"

#include <stdlib.h>

#include "base/bits.h"
#include "cli/array.h"

static int by_gap(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Keep the longer half of the gaps; of equal ones, the first. Only a gap that is longer than the
 * shortest of them is noted from now on: so a recording of equal gaps comes here once, one of
 * random gaps each time that it is a few times as long.  False: no memory. */
static bool keep_longer_half(struct pauses *p)
{
	const size_t half = p->count / 2;
	uint64_t *const gap = malloc(p->count * sizeof *gap);
	size_t kept = 0, equal = 0;

	if (gap == NULL)
		return false;
	for (size_t i = 0; i < p->count; i++)
		gap[i] = p->seen[i].gap;
	qsort(gap, p->count, sizeof *gap, by_gap);
	const uint64_t shortest = gap[half];
	while (half + equal < p->count && gap[half + equal] == shortest)
		equal++;
	free(gap);
	for (size_t i = 0; i < p->count; i++) {
		if (p->seen[i].gap < shortest || (p->seen[i].gap == shortest && equal == 0))
			continue;
		equal -= p->seen[i].gap == shortest;
		p->seen[kept++] = p->seen[i];
	}
	p->count = kept;
	p->least = shortest + 1;
	return true;
}

bool pauses_note(struct pauses *p, uint64_t at, uint64_t tick)
{
	if (tick <= p->last)
		return true;
	const uint64_t gap = tick - p->last;
	p->last = tick;
	p->longest = max_size(p->longest, gap);
	if (gap < p->least)
		return true;
	if (p->count == PAUSES_MOST && !keep_longer_half(p))
		return false;
	if (gap < p->least)
		return true;
	if (!ARRAY_RESERVE(p->seen, p->cap, p->count + 1))
		return false;
	p->seen[p->count++] = (struct pause_seen){at, tick, gap};
	return true;
}
