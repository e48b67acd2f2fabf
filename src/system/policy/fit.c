/* fit.c - searching a free list, and keeping its order. */
#include "system/policy/fit.h"

__thread uint64_t fit_looks;

/* Tiny chunks are in a list of their own, of which any chunk will do: neither search meets them. */
static struct chunk *first_fit(struct chunk *head, size_t need)
{
	struct chunk *c = head;
	uint64_t looks = 0;

	do {
		looks++;
		if (chunk_size(c) >= need)
			break;
		c = c->next;
	} while (c != head);
	fit_looks += looks;
	return chunk_size(c) >= need ? c : NULL;
}

static struct chunk *best_fit(struct chunk *head, size_t need)
{
	struct chunk *best = NULL, *c = head;
	uint64_t looks = 0;

	do {
		looks++;
		const size_t size = chunk_size(c);
		if (size >= need && (best == NULL || size < chunk_size(best)))
			best = c;
		c = c->next;
	} while (c != head && (best == NULL || chunk_size(best) != need));
	fit_looks += looks;
	return best;
}

struct chunk *fit_search(struct chunk **head, size_t need, enum dmm_fit fit)
{
	if (*head == NULL)
		return NULL;
	if (chunk_size(*head) == CHUNK_TINY)
		return need <= CHUNK_TINY ? *head : NULL;
	struct chunk *const c =
	    fit == DMM_FIT_BEST ? best_fit(*head, need) : first_fit(*head, need);
	if (c != NULL && fit == DMM_FIT_NEXT)
		*head = c; /* taking it moves the head past it */
	return c;
}

static void insert_before(const struct chunk_heap *h, struct chunk *at, struct chunk *c)
{
	struct chunk *const prev = chunk_prev(h, at);

	chunk_set_next(h, c, at);
	chunk_set_prev(h, c, prev);
	chunk_set_next(h, prev, c);
	chunk_set_prev(h, at, c);
}

/* The chunk before which c stands in order of address; head itself also when c is the last. */
static struct chunk *successor(const struct chunk_heap *h, struct chunk *head,
    const struct chunk *c)
{
	struct chunk *at = head;
	uint64_t looks = 1;

	for (; at < c && chunk_next(h, at) != head; looks++)
		at = chunk_next(h, at);
	fit_looks += looks;
	return at < c ? head : at;
}

void fit_insert(const struct chunk_heap *h, struct chunk **head, struct chunk *c, enum dmm_fit fit)
{
	struct chunk *const old = *head;

	CHECK(!chunk_live(c) && c > h->first && c < h->last && fit <= DMM_FIT_ADDRESS);
	DEBUG_CHECK(old == NULL || fit_linked(h, old));
	if (old == NULL) {
		*head = c;
		chunk_set_next(h, c, c);
		chunk_set_prev(h, c, c);
	} else if (fit == DMM_FIT_ADDRESS) {
		insert_before(h, successor(h, old, c), c);
		*head = c < old ? c : old;
	} else {
		insert_before(h, old, c);
		if (fit != DMM_FIT_NEXT) /* the roving pointer stays where it is */
			*head = c;
	}
	DEBUG_CHECK(fit_linked(h, c));
}

bool fit_check(const struct chunk_heap *h, struct chunk *head, size_t *count, struct dmm_fault *why)
{
	struct chunk *c = head;

	if (c == NULL)
		return true;
	if (!chunk_check_listed(h, c, why))
		return false;
	do {
		struct chunk *const next = chunk_next(h, c);
		if (!chunk_check_listed(h, next, why))
			return false;
		struct chunk *const back = chunk_prev(h, next);
		if (back != c) /* were this so all around, the ring could not miss its head */
			return fault(why, "F1 linked", next, (uintptr_t)back, (uintptr_t)c);
		++*count;
		c = chunk_next(h, c);
	} while (c != head);
	return true;
}
