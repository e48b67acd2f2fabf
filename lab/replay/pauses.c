/* pauses.c - see pauses.h. */
#include "replay/pauses.h"

#include "base/bits.h"
#include "cli/array.h"

/* Leave out short gaps until half of the room is free. */
static void leave_out(struct pauses *p)
{
	while (p->count > PAUSES_MOST / 2) {
		size_t kept = 0;
		p->least = max_size(2 * p->least, 2);
		for (size_t i = 0; i < p->count; i++)
			if (p->seen[i].gap >= p->least)
				p->seen[kept++] = p->seen[i];
		p->count = kept;
	}
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
	if (p->count == PAUSES_MOST)
		leave_out(p);
	if (!ARRAY_RESERVE(p->seen, p->cap, p->count + 1))
		return false;
	p->seen[p->count++] = (struct pause_seen){at, tick, gap};
	return true;
}
