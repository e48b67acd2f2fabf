/* predict.h - how much freed memory a program soon asks for again: learned from what was
 * given back too early.
 *
 *   freed memory      ____                ____   <- third time: all of it is kept
 *                    /    \   limit      /    \
 *              -----/------\------------/------\-----
 *              fall |given  rise: `given` asked again
 *                   |back   within a second: keep += given
 *
 * Memory that is given back (madvise) and asked for again costs a page fault and a cleared page for
 * every 4 KiB; memory that is kept and not asked for is lost to everybody else.  Which of the two a
 * program is about to do cannot be seen, but programs repeat themselves.  So at first nothing
 * beyond a limit is kept.
 *
 *   learn    What was given back less than `within` ago and is asked for again should have been
 *            kept: that many units more are kept the next time.  Each unit given back is
 *            counted once.
 *   forget   A window lasts `within`.  The least level that it saw was free all the time.  As far
 *            as that lies above the limit, nobody wanted it: the caller is told to give it back,
 *            and so much less is kept.
 *
 * A program that falls and rises by the same amount again and again pays for one fall, whatever the
 * amount.  One that falls once keeps nothing beyond the limit.  One that comes back after more than
 * a second pays each time, which is at most that second's share of the faults.  What is learned
 * never exceeds the largest rise that followed a fall.
 *
 * The idea is that of jemalloc's decay and tcmalloc's low-water marks, turned around: there a clock
 * gives back what was kept for nothing, and here nothing is kept until the program has shown that
 * it pays.  Without a thread no clock would ever ring in a program that sleeps.
 *
 * Units are the caller's.  Not thread-safe: a lock of the caller guards each.  Times in ns, of
 * any beginning, `within` about a second; a clock that jumps backward reads as one that has
 * gone on for long.
 */
#ifndef SLAB_PREDICT_H
#define SLAB_PREDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct predictor {
	size_t keep;        /* beyond the limit */
	size_t gone;        /* given back within the last `within`, and not asked for again */
	uint64_t gone_at;   /* when units were last given back */
	size_t low;         /* the least level of this window */
	uint64_t window_at; /* when it began */
};

/* n units were given back, because more was free than should be kept. */
void predict_gave(struct predictor *p, size_t n, uint64_t now, uint64_t within);
/* n units were asked for that the system must provide anew. */
void predict_asked(struct predictor *p, size_t n, uint64_t now, uint64_t within);
/* Has it given back anything that could be asked for again?  Else predict_asked() need
 * not be called. */
static inline bool predict_waits(const struct predictor *p)
{
	return p->gone != 0;
}

/* So many units are free now, after some were taken. */
static inline void predict_level(struct predictor *p, size_t level)
{
	if (level < p->low)
		p->low = level;
}

/* Look at the clock.  Returns how many units nobody wanted for a window, beyond the limit: to be
 * given back now. */
size_t predict_unused(struct predictor *p, size_t level, size_t limit, uint64_t now,
    uint64_t within);

#endif
