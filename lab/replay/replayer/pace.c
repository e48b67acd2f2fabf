/* pace.c - the recording's clock: calls wait for their time, and memory is looked at meanwhile.
 *
 * An allocator that gives memory back by a clock, or by a helper thread, does so here as it would
 * in the program.  Who may touch what: `looking` guards all that a look changes; the thread that
 * does not get it goes on without a look.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "replay/replayer/private.h"

enum {
	LOOKS = 400,             /* over the whole replay */
	LOOK_NS = 1000000,       /* between two, at least */
	LOOK_COST_TIMES = 20,    /* and 20 times a look's processor time, which is at most 5 % */
	EARLY_NS = 100000,       /* a call may come so much before its time: a sleep is not finer */
};

static struct {
	uint64_t began_ns, step_ns;
	atomic_flag looking;
	_Atomic uint64_t next_ns; /* of the replay: the next look */
	uint64_t last_ns, last_bytes;
	double area; /* bytes x ns */
} pace = {.looking = ATOMIC_FLAG_INIT};

static uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC) - pace.began_ns;
}

/* Of the replay: when it has come to this time of the recording. */
static uint64_t due_ns(uint64_t ns)
{
	return (uint64_t)((double)ns / replay.result->speed);
}

static uint64_t end_ns(void)
{
	return due_ns(replay_ops_ns(&replay.ops, replay.ops.head->count));
}

/* Of this thread. */
static uint64_t processor_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Between two looks memory is taken to change evenly.  A look that waited for a processor cost no
 * more: the next one must not be late for that. */
static void look(uint64_t at_ns)
{
	if (atomic_flag_test_and_set(&pace.looking))
		return;
	const uint64_t began_ns = processor_ns(), bytes = self_heap_bytes();
	const uint64_t cost_ns = LOOK_COST_TIMES * (processor_ns() - began_ns);
	pace.area += ((double)pace.last_bytes + (double)bytes) / 2 * (double)(at_ns - pace.last_ns);
	pace.last_ns = at_ns;
	pace.last_bytes = bytes;
	atomic_store(&pace.next_ns, now_ns() + (cost_ns > pace.step_ns ? cost_ns : pace.step_ns));
	atomic_flag_clear(&pace.looking);
}

static uint64_t look_if_due(void)
{
	const uint64_t at_ns = now_ns();

	if (at_ns >= atomic_load(&pace.next_ns))
		look(at_ns);
	return at_ns;
}

static void sleep_until(uint64_t ns)
{
	const uint64_t end = pace.began_ns + ns;
	const struct timespec t = {(time_t)(end / 1000000000u), (long)(end % 1000000000u)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void wait_for(uint64_t due)
{
	uint64_t at_ns;

	while ((at_ns = look_if_due()) + EARLY_NS < due) {
		const uint64_t next = atomic_load(&pace.next_ns);
		sleep_until(next < due ? next : due);
	}
	uint64_t most = __atomic_load_n(&replay.result->behind_ns, __ATOMIC_RELAXED);
	const uint64_t behind = at_ns > due ? at_ns - due : 0;
	while (behind > most &&
	    !__atomic_compare_exchange_n(&replay.result->behind_ns, &most, behind, true,
	        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void pace_begin(void)
{
	const uint64_t all = end_ns() / LOOKS;

	pace.began_ns = 0;
	pace.began_ns = now_ns();
	pace.step_ns = all > LOOK_NS ? all : LOOK_NS;
}

void pace_reach(uint64_t ns)
{
	wait_for(due_ns(ns));
}

void pace_end(void)
{
	struct replay_result *const r = replay.result;

	wait_for(end_ns());
	look(now_ns());
	r->paced_ns = pace.last_ns;
	r->paced_end = pace.last_bytes;
	r->paced_mean = pace.last_ns != 0 ? (uint64_t)(pace.area / (double)pace.last_ns)
	    : pace.last_bytes;
}
