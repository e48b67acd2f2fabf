/* clock.h - the kernel's clocks, each as one number. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds; 0: there is no such clock.  Async-signal-safe. */
static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The same in seconds. */
static inline double clock_s(clockid_t clock)
{
	return (double)clock_ns(clock) * 1e-9;
}

#endif
