/* guard.h - hardened: make pages of payload inaccessible, and accessible again.
 *
 * With MADV_GUARD_INSTALL (Linux 6.13) the pages lose their memory, and no mapping is split; before
 * that, protection does it, and the memory stays.
 */
#ifndef SLAB_GUARD_H
#define SLAB_GUARD_H

#include "slab/root.h"
#include "slab/settings.h"

/* Whole pages; up: make them inaccessible. 0, or an error: nothing has changed
 * (vm.max_map_count). */
static inline int guard_set(char *p, size_t len, bool up)
{
	const struct dmm_os *const os = root.os;

	if (len == 0 || !hardening.guard_large)
		return 0;
	if (hardening.guard_advice)
		return os->advise(os->ctx, p, len, up ? DMM_ADVICE_GUARD : DMM_ADVICE_UNGUARD);
	return os->protect(os->ctx, p, len, up ? DMM_PROTECT_NONE : DMM_PROTECT_RW);
}

#endif
