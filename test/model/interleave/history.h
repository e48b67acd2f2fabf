/* history.h - which schedules are one history: they differ only in the order of operations that do
 * not touch the same word, so they end in the same state, and one of them is enough.
 *
 *   thread 0    load a ---> store b -------> give lock
 *                              \                 \        an arrow: came before, in this thread or
 *   thread 1              load b ---> ...  take lock       at this word
 *
 * Every operation gets a hash of its thread, its word, its kind, and of the operations from which
 * an arrow leads to it.  The sum of all of them stands for the arrows so far.  Where a schedule
 * comes to a sum at which an earlier one was, with the same thread running and no more preemptions
 * left, everything that could follow has been tried or will be.  (Musuvathi, Qadeer: Partial-order
 * reduction for context-bounded state exploration, 2007.)
 *
 * That is exact as long as whatever two threads share goes through an operation noted here, which
 * the search of all schedules puts to the test, and no two of the 64-bit sums are equal by chance:
 * with ten million of them, in about one of 300,000 searches.
 */
#ifndef TEST_INTERLEAVE_HISTORY_H
#define TEST_INTERLEAVE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the history of one schedule */

void history_begin(void);
/* Thread `who` loads from this address, or changes what is there. */
void history_note(unsigned who, const volatile void *at, bool changes);
/* All operations so far and what came before what; where: what else the state depends on. */
uint64_t history_sum(uint64_t where);

uint64_t hash_more(uint64_t hash, uint64_t value);

/* In none of the schedules since history_forget() did two threads touch this word and one of them
 * change it: an operation there commutes with all of the other threads', and need not be a
 * choice. */
bool history_is_private(const volatile void *at);
void history_forget(void);
/* Words that were private until this schedule or the one before, ever. */
size_t history_shared(void);

/* ---- what was seen; one entry of 16 bytes each, as long as there is memory */

struct seen {
	struct seen_entry {
		uint64_t key, value;
	} *entries;
	size_t room, count;
};
/* The value of this key, which is at first `value`; *new: it was not there.  NULL: no more room. */
uint64_t *seen_at(struct seen *s, uint64_t key, uint64_t value, bool *is_new);
void seen_forget(struct seen *s);

#endif
