/* predict.h - predicts how much freed memory a program soon asks for again, from memory that
 * slab gave back too early.
 *
 *   freed memory      ____                ____   <- third time: all of it is kept
 *                    /    \   limit      /    \
 *              -----/------\------------/------\-----
 *              fall |given  rise: `given` asked again
 *                   |back   soon: keep += given
 *
 * Memory that slab gives back (madvise) and that the program then needs again costs a page fault
 * and a cleared page for every 4 KiB; memory that slab keeps without need is lost to all other
 * programs. slab cannot see which of the two a program is about to do, but programs repeat
 * themselves. So at first it keeps nothing beyond a limit.
 *
 *   learn    If the program soon needs memory again that was given back, slab should have kept it:
 *            the next time it keeps that many units more. Each unit given back counts once.
 *   forget   A window lasts `within`. The least free level during a window was not needed in all
 *            of it. The part of it above the limit goes back, and slab keeps that much less.
 *
 * A program that falls and rises by the same amount again and again pays for one fall, whatever the
 * amount.  One that falls once keeps nothing beyond the limit.  One that comes back later pays each
 * time.  What is learned never exceeds the largest rise that followed a fall.
 *
 * This turns jemalloc's decay and tcmalloc's low-water marks around: they keep memory and give it
 * back after a time; slab keeps none until the program has shown that it pays. A decay needs a
 * clock, and a program without a helper thread has none while it sleeps.
 *
 * Units are the caller's. Not thread-safe: the caller locks. Times in ns since any moment; a
 * clock that jumps backward counts as one that has gone on for long.
 */
#ifndef SLAB_PREDICT_H
#define SLAB_PREDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The least level of a window of time. */
struct low_water {
	size_t low;
	uint64_t since; /* when the window began */
};

/* So many units are free now, after some were taken. */
static inline void low_water_note(struct low_water *w, size_t level)
{
	if (level < w->low)
		w->low = level;
}

/* Look at the clock. If a window has passed, begin a new one, and return the units beyond the limit
 * that were not needed in it; else 0. */
size_t low_water_unused(struct low_water *w, size_t level, size_t limit, uint64_t now,
    uint64_t within);

/* Other threads may read keep and gone atomically at any time. */
struct predictor {
	size_t keep;      /* beyond the limit */
	size_t gone;      /* given back in the last fall, and not needed again */
	size_t fell;      /* all that was given back in that fall */
	uint64_t fell_at; /* when the fall began */
	struct low_water level;
};

/* n units were given back, because more were free than predict keeps. They are of the last fall, if
 * that began less than `within` ago and the program has not asked for all of it again. */
void predict_gave(struct predictor *p, size_t n, uint64_t now, uint64_t within);
/* What the last fall gave back, if it began less than `within` ago; else 0. */
size_t predict_fell(const struct predictor *p, uint64_t now, uint64_t within);
/* The program needs n units that the system must provide anew. If the last fall began less than
 * `within` ago, slab should have kept what it gave back; later, nothing is learned of that fall. */
void predict_asked(struct predictor *p, size_t n, uint64_t now, uint64_t within);
/* Has it given back any units that could be needed again? Otherwise predict_asked() need not be
 * called. */
static inline bool predict_waits(const struct predictor *p)
{
	return __atomic_load_n(&p->gone, __ATOMIC_RELAXED) != 0;
}

/* So many units are free now, after some were taken. */
static inline void predict_level(struct predictor *p, size_t level)
{
	low_water_note(&p->level, level);
}

/* So many units were not needed for a window. */
void predict_forget(struct predictor *p, size_t unused);

/* Look at the clock. Returns the units beyond the limit that were not needed for a window: the
 * caller gives them back now. */
size_t predict_unused(struct predictor *p, size_t level, size_t limit, uint64_t now,
    uint64_t within);

#endif
