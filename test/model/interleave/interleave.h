/* interleave.h - what the scenarios in both files share. */
#ifndef TEST_INTERLEAVE_INTERLEAVE_H
#define TEST_INTERLEAVE_INTERLEAVE_H

#include "scheduler.h"

enum { BLOCKS = 6, CLASS_SIZE = 2048 };

extern unsigned block_class;
extern void *block[BLOCKS]; /* that thread 0 took at the beginning */
extern size_t held_count;   /* objects that somebody has */
/* Is it a choice when live bits are looked at or changed?  Are objects freed twice on purpose? */
extern bool live_is_worth, freed_twice;

void *ask(size_t n); /* slab_malloc() */
void *take(void); /* fails when another thread has the object that it is given */
void thread_ends(void);
void begin_two_slabs(void); /* of blocks 0 to 2, and 3 and 4 */
void begin_three(void);    /* thread 0 has three blocks, which are a slab */
void begin_orphaned(void); /* and has ended */
void owner_ends_at_once(void);
void purger_looks(void);
/* Steps of threads in scenarios of both files. */
void owner_works(void);
void another_takes_one(void);
void free_0(void);
void free_1(void);
void free_1_and_2(void);
/* I2, I3, I4. */
void check_all(void);
/* All checks but I6. */
void settle(void);

/* Up to one without a name. */
extern const struct sched_scenario usual_scenarios[], twice_scenarios[];
/* The program ended in one of them: returns if not by a message about a free. */
void twice_named(void);
uint64_t twice_count_named(void); /* since the last call */

#endif
