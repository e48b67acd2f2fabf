/* section.c - growing and shrinking a shared heap section. */
#include "os/section.h"

#include "base/assert.h"
#include "base/bits.h"

void *section_grow(struct section *s, size_t n, size_t extra)
{
	const struct dmm_os *const os = s->os;
	CHECK(n % MAX_ALIGN == 0 && extra % MAX_ALIGN == 0);

	char *const brk = os->brk_get(os->ctx);
	if (brk == NULL)
		return NULL;
	char *const p = (char *)round_up((uintptr_t)brk, MAX_ALIGN);
	const size_t len = p == s->end ? n : n + extra;
	if ((uintptr_t)p + len < (uintptr_t)p || os->brk_set(os->ctx, ptr_add(p, len)) != 0)
		return NULL;
	if (s->start == NULL)
		s->start = p;
	if (p != s->end)
		s->base = p;
	s->end = p + len;
	s->owned_bytes += len;
	return p;
}

bool section_shrink(struct section *s, size_t n)
{
	const struct dmm_os *const os = s->os;
	CHECK(n <= ptr_diff(s->end, s->base));

	if (os->brk_get(os->ctx) != s->end || os->brk_set(os->ctx, s->end - n) != 0)
		return false;
	s->end -= n;
	s->owned_bytes -= n;
	return true;
}

void section_close(struct section *s)
{
	if (s->start != NULL)
		section_shrink(s, ptr_diff(s->end, s->base));
	*s = (struct section){.os = s->os};
}
