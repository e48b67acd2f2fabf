/* script.c - the steps of an epoch, in shared memory. */
#include "torture/script.h"

#include <sys/mman.h>

/* An epoch of 60,000 operations, a free for each object that is left, and strangers. */
enum { STEPS_MAX = 1 << 17 };

static const size_t SCRIPT_LEN = sizeof(struct script) + STEPS_MAX * sizeof(struct script_step);

struct script *script_open(void)
{
	struct script *const s = mmap(NULL, SCRIPT_LEN, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (s == MAP_FAILED)
		return NULL;
	s->cap = STEPS_MAX;
	return s;
}

void script_close(struct script *s)
{
	if (s != NULL)
		munmap(s, SCRIPT_LEN);
}

void script_clear(struct script *s)
{
	s->count = 0;
	s->cut = false;
}

void script_add(struct script *s, struct script_step step)
{
	if (s->count < s->cap)
		s->step[s->count++] = step;
	else
		s->cut = true;
}
