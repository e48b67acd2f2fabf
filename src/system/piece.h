/* piece.h - what every walk and every checker says. */
#ifndef SYSTEM_PIECE_H
#define SYSTEM_PIECE_H

#include "dmm_system.h"

/* Show one stretch to the visitor; an empty one is not shown. */
static inline int piece(dmm_visit *visit, void *arg, const void *p, size_t len, enum dmm_kind kind,
    const char *what, int32_t bin)
{
	const struct dmm_piece it = {(uintptr_t)p, len, kind, what, bin};
	return len == 0 ? 0 : visit(arg, &it);
}

/* Fill in *why and return false, as a checker must. */
static inline bool fault(struct dmm_fault *why, const char *rule, const void *where, uint64_t found,
    uint64_t wanted)
{
	*why = (struct dmm_fault){rule, (uintptr_t)where, found, wanted};
	return false;
}

#endif
