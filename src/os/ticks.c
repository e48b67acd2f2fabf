/* ticks.c - see ticks.h. */
#include "os/ticks.h"

#include <stdatomic.h>

static _Atomic uint64_t per_second;

uint64_t os_ticks_ns(void)
{
	uint64_t rate = atomic_load_explicit(&per_second, memory_order_relaxed);

	if (rate == 0)
		atomic_store_explicit(&per_second, rate = os_ticks_rate(), memory_order_relaxed);
	return (uint64_t)((unsigned __int128)os_ticks() * 1000000000u / rate);
}
