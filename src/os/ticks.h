/* ticks.h - the cheapest clock of a core that all cores agree on: 11 ns on a virtual machine where
 * clock_gettime takes 27.  The core may read it ahead of older loads: order within 1 us is not exact. */
#ifndef OS_TICKS_H
#define OS_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

static inline uint64_t os_ticks(void)
{
	return __rdtsc();
}

/* Does it run at one speed, also asleep, on all cores (the invariant TSC)? */
static inline bool os_ticks_steady(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1) != 0;
}
#else
static inline uint64_t os_ticks(void)
{
	uint64_t t;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
}

static inline bool os_ticks_steady(void)
{
	return true; /* by the architecture */
}
#endif

#endif
