/* spill.h - a file without a name that grows at its end, for data that is too long for memory.
 *
 * Mapped whole where earlier bytes are changed again: its pages are the page cache's.  Where they
 * are not, `at` is a buffer for what comes behind `base`, which takes a third of the time.
 *
 * Not thread-safe.  Functions that fail leave the reason in errno.
 */
#ifndef LAB_REPLAY_SPILL_H
#define LAB_REPLAY_SPILL_H

#include <stdbool.h>
#include <stddef.h>

struct spill {
	int fd;
	char *at;
	size_t base, len, cap; /* at[0] is byte `base` of len; at has room for cap bytes */
	bool buffered;
};

bool spill_open(struct spill *s, bool buffered);
void spill_close(struct spill *s);

/* Make room for n bytes after the end; a buffer has room for 1 MiB at most. */
bool spill_room(struct spill *s, size_t n);

/* Room for n bytes at the end; they are valid until the next call; NULL: none. */
static inline void *spill_add(struct spill *s, size_t n)
{
	if (s->len - s->base + n > s->cap && !spill_room(s, n))
		return NULL;
	s->len += n;
	return s->at + (s->len - n - s->base);
}

bool spill_copy(struct spill *to, const struct spill *from);
/* Write what a buffer still has: the file is whole then. */
bool spill_flush(struct spill *s);
/* Bytes that lie some distance before `end` may be unmapped; they stay in the file. */
void spill_pass(const struct spill *s, size_t end);

#endif
