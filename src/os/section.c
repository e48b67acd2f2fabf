/* section.c - growing and shrinking a shared heap section. */
#include "os/section.h"

#include "base/assert.h"
#include "base/bits.h"

void *section_grow(struct section *s, size_t n)
{
	const struct dmm_os *const os = s->os;
	CHECK(n % MAX_ALIGN == 0);

	char *const brk = os->brk_get(os->ctx);
	if (brk == NULL)
		return NULL;
	char *const p = (char *)round_up((uintptr_t)brk, MAX_ALIGN);
	if ((uintptr_t)p + n < (uintptr_t)p || os->brk_set(os->ctx, p + n) != 0)
		return NULL;
	if (s->start == NULL)
		s->start = p;
	s->end = p + n;
	s->owned_bytes += n;
	return p;
}

bool section_shrink(struct section *s, size_t n)
{
	const struct dmm_os *const os = s->os;
	CHECK(n <= s->owned_bytes);

	if (os->brk_get(os->ctx) != s->end || os->brk_set(os->ctx, s->end - n) != 0)
		return false;
	s->end -= n;
	s->owned_bytes -= n;
	return true;
}
