/* fit.h - one free list: which chunk is taken, and where a freed one is put.
 *
 *      head ---> c <-> c <-> c <-> (back to head)
 *
 *   fit:first     the first that is large enough; freed chunks go to the front
 *   fit:next      the first from where the last search ended (Knuth's roving pointer): the list is
 *                 a ring, and its head moves to what was found; freed chunks go behind all others
 *   fit:best      the smallest that is large enough
 *   fit:address   first fit in a list kept in order of address
 *
 * Invariants, checked under this name by fit_check():
 *   F1 linked     every chunk is the prev of its next, and the list returns to its head
 */
#ifndef SYSTEM_POLICY_FIT_H
#define SYSTEM_POLICY_FIT_H

#include "base/assert.h"
#include "system/chunk.h"

/* Is c the prev of its next and the next of its prev? */
static inline bool fit_linked(const struct chunk_heap *h, struct chunk *c)
{
	return chunk_prev(h, chunk_next(h, c)) == c && chunk_next(h, chunk_prev(h, c)) == c;
}

/* The number of chunks that searches and ordered insertions of this thread have looked at: a
 * measure of a list's time that is the same in every run. */
extern __thread uint64_t fit_looks;

/* A chunk of at least `need` bytes, still in the list, or NULL. */
struct chunk *fit_search(struct chunk **head, size_t need, enum dmm_fit fit);

void fit_insert(const struct chunk_heap *h, struct chunk **head, struct chunk *c, enum dmm_fit fit);

static inline void fit_remove(const struct chunk_heap *h, struct chunk **head, struct chunk *c)
{
	struct chunk *const prev = chunk_prev(h, c), *const next = chunk_next(h, c);

	DEBUG_CHECK(*head != NULL && !chunk_live(c) && fit_linked(h, c));
	chunk_set_next(h, prev, next);
	chunk_set_prev(h, next, prev);
	if (*head == c)
		*head = next == c ? NULL : next;
}

/* Adds the chunks of one list to *count. */
bool fit_check(const struct chunk_heap *h, struct chunk *head, size_t *count,
    struct dmm_fault *why);

/* The one after `after` in the list, the first for NULL; NULL at its end. */
static inline struct chunk *fit_next(const struct chunk_heap *h, struct chunk *head,
    const struct chunk *after)
{
	if (after == NULL)
		return head;
	struct chunk *const next = chunk_next(h, after);
	return next != head ? next : NULL;
}

#endif
