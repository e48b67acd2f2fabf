/* test_os.c - an arena or the real system, below counters and faults. */
#include "torture/test_os.h"

#include <string.h>

#include "base/bits.h"

enum { STRANGER = 0xd7 };
static const size_t AREA_LEN = (size_t)64 << 30;

static void begin(struct stage *s, const struct dmm_os *below)
{
	s->below = below;
	os_fault_open(&s->fault, below);
	s->os = &s->fault.os;
	s->stranger_count = s->stranger_bytes = 0;
}

int stage_open_arena(struct stage *s, unsigned slot)
{
	const int r = os_arena_open(&s->arena, slot, AREA_LEN, AREA_LEN);
	if (r == 0)
		begin(s, &s->arena.os);
	return r;
}

void stage_open_linux(struct stage *s)
{
	/* Foreign code may have left the break at an odd address. The bytes up to the next even one
	 * would count as obtained and belong to no piece. */
	os_linux.brk_set(NULL, (void *)round_up((uintptr_t)os_linux.brk_get(NULL), os_linux.page));
	begin(s, &os_linux);
}

void stage_open_bare(struct stage *s)
{
	begin(s, &os_linux);
	s->os = &os_linux;
}

void stage_close(struct stage *s)
{
	if (s->below == &s->arena.os)
		os_arena_close(&s->arena);
}

size_t stage_owned(const struct stage *s)
{
	if (s->os == &os_linux || (s->below == &os_linux && s->fault.reserved_bytes != 0))
		return SIZE_MAX;
	if (s->below == &os_linux)
		return s->fault.owned_bytes;
	return s->arena.heap_bytes + s->arena.map_bytes - s->stranger_bytes;
}

size_t stage_usable(const struct stage *s)
{
	if (s->os == &os_linux)
		return 0;
	return s->fault.reserved_bytes != 0 ? s->fault.owned_bytes : stage_owned(s);
}

void stage_stranger(struct stage *s, size_t len)
{
	const struct dmm_os *const os = s->below;
	unsigned char *const p = os->brk_get(os->ctx);

	if (s->stranger_count == STAGE_STRANGERS || os->brk_set(os->ctx, p + len) != 0)
		return;
	memset(p, STRANGER, len);
	s->strangers[s->stranger_count].p = p;
	s->strangers[s->stranger_count++].len = len;
	s->stranger_bytes += len;
}

const void *stage_strangers_hurt(const struct stage *s)
{
	for (size_t i = 0; i < s->stranger_count; i++)
		for (size_t k = 0; k < s->strangers[i].len; k++)
			if (s->strangers[i].p[k] != STRANGER)
				return s->strangers[i].p + k;
	return NULL;
}
