/* scheduler.h - threads as coroutines of one thread, in every order that a bound of preemptions
 * allows.
 *
 *   run once ---> a choice at every atomic operation and lock: go on, or let another thread go on
 *      ^                 |
 *      |    replay the choices up to the last one with an alternative, take it, go on by default
 *      \------------------ until none is left: every schedule with at most `bound` preemptions ran
 *
 * A schedule that comes to where an earlier one was is cut short (history.h), unless all of them
 * are asked for.
 *
 * "Most concurrency faults need two preemptions" (Musuvathi, Qadeer: CHESS, 2007). The code under
 * test is the product's, compiled with shim/ before src/; what a thread has in thread-local storage
 * is swapped.
 */
#ifndef TEST_INTERLEAVE_SCHEDULER_H
#define TEST_INTERLEAVE_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCHED_THREADS = 4 };

struct lock;

struct sched_scenario {
	const char *name;
	void (*begin)(void);                      /* no other thread runs */
	void (*thread[SCHED_THREADS])(void);      /* NULL: none */
	void (*end)(void);                        /* all have ended; checks */
};

struct sched_result {
	uint64_t schedules;
	uint64_t cut;       /* of them, short */
	uint64_t again;     /* how often the search began again, with more choices */
	uint64_t histories; /* in which the others end */
	size_t deepest; /* choices in the longest one */
	bool all;       /* within the bound, nothing is left */
};

struct sched_search {
	unsigned bound; /* preemptions, up to SCHED_BOUND_MOST */
	uint64_t most;  /* schedules */
	bool whole;     /* cut none short; schedules of one history must end in the same state */
};
enum { SCHED_BOUND_MOST = 200 };

/* Ends the process by sched_fail() when something is wrong. */
struct sched_result sched_explore(const struct sched_scenario *s, const struct sched_search *how);

unsigned sched_self(void);
/* Do it as thread i, at once and undivided. */
void sched_as(unsigned i, void (*act)(void));
/* Thread i's thread-local storage as it is now, while no thread runs. */
void *sched_tls_of(unsigned i);
/* "thread 0 x 12, thread 2 x 3, ...": the schedule, and exit status 1. */
_Noreturn void sched_fail(const char *what);

/* The thread that runs has ended the program, as it should: the schedule ends here. */
_Noreturn void sched_stop(void);
/* Is a schedule being run?  Otherwise its begin or end is. */
bool sched_running(void);

/* The thread that runs is about to look at what threads share, or to change it. */
void sched_point(const volatile void *at, bool changes);

/* Notify the test that sched_fail() is about to print. */
void sched_failing(void);
/* The test says what is worth a choice; thread-local storage to be swapped. */
bool sched_worth(const volatile void *at);
uint64_t sched_hash_state(void); /* of all that threads share */
void *sched_tls(void);
size_t sched_tls_len(void);
void sched_tls_new(void *at); /* as a new thread finds it */

#endif
