/* ticks.h - the cheapest clock of a core that all cores agree on: 11 ns on a virtual machine where
 * clock_gettime takes 27. The core may read it ahead of older loads: order within 1 us is not
 * exact. */
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

/* Ticks a second, from the processor or the hypervisor; if neither tells, a guess that is right
 * within a factor of two. */
static inline uint64_t os_ticks_rate(void)
{
	enum { GUESS = 2500000 }; /* thousands a second */
	unsigned a, b, c, d;

	if (__get_cpuid(0x15, &a, &b, &c, &d) && a != 0 && b != 0 && c != 0)
		return (uint64_t)c * b / a;
	if (__get_cpuid(1, &a, &b, &c, &d) && (c >> 31 & 1) != 0) { /* under a hypervisor */
		__cpuid(0x40000000, a, b, c, d);
		if (a >= 0x40000010 && a < 0x40010000) {
			__cpuid(0x40000010, a, b, c, d);
			if (a != 0)
				return (uint64_t)a * 1000;
		}
	}
	if (__get_cpuid(0x16, &a, &b, &c, &d) && (a & 0xffff) != 0)
		return (uint64_t)(a & 0xffff) * 1000000;
	return (uint64_t)GUESS * 1000;
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

static inline uint64_t os_ticks_rate(void)
{
	uint64_t rate;
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(rate));
	return rate != 0 ? rate : 1000000000;
}
#endif

/* Nanoseconds of that clock since an arbitrary moment, without a system call; clock_gettime() is a
 * system call where programs cannot read the kernel's clock source.  The rate is that of
 * os_ticks_rate(), so the result may be wrong by a factor of two. */
uint64_t os_ticks_ns(void);

#endif
