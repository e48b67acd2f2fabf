/* snapshot.c - copies the pieces of a heap within one walk; its memory comes from mappings, since
 * malloc may be the very heap, or may wait for a lock that the walker holds. */
#include "heaps/snapshot.h"

#include "base/bits.h"
#include "os/os.h"

static size_t len(size_t room)
{
	return round_up(room * sizeof(struct dmm_piece), os_here()->page);
}

static bool grow(struct snapshot *s)
{
	const size_t room = s->room != 0 ? 2 * s->room : os_here()->page / sizeof *s->piece;
	void *const p = s->piece != NULL
	                    ? os_here()->remap(os_here()->ctx, s->piece, len(s->room), len(room))
	                    : os_here()->map(os_here()->ctx, len(room), os_here()->page);

	if (p == NULL)
		return false;
	s->piece = p;
	s->room = room;
	return true;
}

static int keep(void *arg, const struct dmm_piece *piece)
{
	struct snapshot *const s = arg;

	if (s->count == s->room && !grow(s))
		return -1;
	s->piece[s->count++] = *piece;
	return 0;
}

bool snapshot_take(struct snapshot *s, struct heap *h)
{
	*s = (struct snapshot){0};
	if (heap_walk(h, keep, s) == 0)
		return true;
	snapshot_drop(s);
	return false;
}

void snapshot_drop(struct snapshot *s)
{
	if (s->piece != NULL)
		os_here()->unmap(os_here()->ctx, s->piece, len(s->room));
	*s = (struct snapshot){0};
}
