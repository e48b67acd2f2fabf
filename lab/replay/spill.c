/* spill.c - growing a file without a name by mapping, or by writing a buffer. */
#include "replay/spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/write_all.h"
#include "run/launch.h"

enum { BUFFER = 1 << 20 };

bool spill_open(struct spill *s, bool buffered)
{
	*s = (struct spill){.fd = launch_scratch(), .buffered = buffered};
	if (!buffered || s->fd < 0)
		return s->fd >= 0;
	s->at = malloc(BUFFER);
	s->cap = BUFFER;
	return s->at != NULL;
}

void spill_close(struct spill *s)
{
	if (s->buffered)
		free(s->at);
	else if (s->at != NULL)
		munmap(s->at, s->cap);
	if (s->fd >= 0)
		close(s->fd);
	*s = (struct spill){.fd = -1};
}

bool spill_flush(struct spill *s)
{
	if (!s->buffered)
		return true;
	const int error = write_all(s->fd, s->at, s->len - s->base);
	if (error != 0) {
		errno = error;
		return false;
	}
	s->base = s->len;
	return true;
}

static bool spill_grow(struct spill *s, size_t need)
{
	size_t cap = max_size(s->cap, (size_t)1 << 20);

	while (cap < need)
		cap += min_size(cap, (size_t)1 << 30);
	if (ftruncate(s->fd, (off_t)cap) != 0)
		return false;
	void *const at = s->at == NULL ? mmap(NULL, cap, PROT_READ | PROT_WRITE, MAP_SHARED,
	    s->fd, 0)
	                               : mremap(s->at, s->cap, cap, MREMAP_MAYMOVE);
	if (at == MAP_FAILED)
		return false;
	s->at = at;
	s->cap = cap;
	return true;
}

void spill_pass(const struct spill *s, size_t end)
{
	enum { NEAR = 1 << 20 };

	if (!s->buffered && end > NEAR)
		madvise(s->at, round_down(end - NEAR, NEAR), MADV_DONTNEED);
}

bool spill_room(struct spill *s, size_t n)
{
	return s->buffered ? n <= BUFFER && spill_flush(s) : spill_grow(s, s->len + n);
}

bool spill_copy(struct spill *to, const struct spill *from)
{
	for (size_t at = 0; at < from->len; at += BUFFER) {
		const size_t n = min_size(BUFFER, from->len - at);
		void *const p = spill_add(to, n);
		if (p == NULL)
			return false;
		memcpy(p, from->at + at, n);
	}
	return true;
}
