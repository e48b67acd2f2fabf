/* wait_until.h - wait for a semaphore until CLOCK_MONOTONIC shows a time: sem_clockwait() where the
 * C library has it. */
#ifndef OS_WAIT_UNTIL_H
#define OS_WAIT_UNTIL_H

#include <semaphore.h>
#include <time.h>

#if defined(__GLIBC__)
/* Returns 0 or -1 and errno, as sem_wait() does. */
static inline int wait_until(sem_t *s, const struct timespec *until)
{
	return sem_clockwait(s, CLOCK_MONOTONIC, until);
}
#else
/* musl waits by CLOCK_REALTIME alone: if that clock is set meanwhile, the wait changes by as
 * much. */
static inline int wait_until(sem_t *s, const struct timespec *until)
{
	enum { SECOND_NS = 1000000000 };
	struct timespec mono, real;

	clock_gettime(CLOCK_MONOTONIC, &mono);
	clock_gettime(CLOCK_REALTIME, &real);
	real.tv_sec += until->tv_sec - mono.tv_sec;
	real.tv_nsec += until->tv_nsec - mono.tv_nsec;
	if (real.tv_nsec < 0) {
		real.tv_nsec += SECOND_NS;
		real.tv_sec--;
	} else if (real.tv_nsec >= SECOND_NS) {
		real.tv_nsec -= SECOND_NS;
		real.tv_sec++;
	}
	return sem_timedwait(s, &real);
}
#endif

#endif
