/* slots.c - walking pages of equal slots. */
#include "system/slots.h"

int slots_walk(struct slot_marks *m, const char *page, unsigned class, dmm_visit *visit, void *arg)
{
	const size_t size = slots_size(class);
	int r = 0;

	for (size_t i = 0; i < SLOTS_PAGE / size && r == 0; i++) {
		const bool free_slot = (m->bits[i / 64] >> i % 64 & 1) != 0;
		r = piece(visit, arg, page + i * size, size, free_slot ? DMM_FREE : DMM_LIVE,
		    free_slot ? "free" : "payload", free_slot ? (int32_t)class : -1);
	}
	*m = (struct slot_marks){0};
	return r;
}
