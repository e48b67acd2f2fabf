/* run.c - slots of a run: taking, giving, walking and checking. */
#include "system/run.h"

#include <string.h>

#include "system/misuse.h"
#include "system/policy/spacing.h"

static char *slot_at(const struct tiny_run *run, size_t i)
{
	return ptr_add(run, round_up(sizeof *run, MAX_ALIGN) + i * run->size);
}

/* The slot that begins at p; run->slots or more: none does. */
static size_t slot_index(const struct tiny_run *run, const void *p)
{
	const size_t at = ptr_diff(p, slot_at(run, 0));
	return at % run->size == 0 ? at / run->size : SIZE_MAX;
}

static bool slot_live(const struct tiny_run *run, size_t i)
{
	return (run->live[i / 64] >> i % 64 & 1) != 0;
}

void runs_open(struct runs *r, size_t max)
{
	*r = (struct runs){.max = max, .map_bits = RUN_MAP_FIRST * 64};
	r->map = r->first;
}

bool runs_pay(struct runs *r, size_t n)
{
	uint32_t *const tried = &r->tried[run_class(n)];

	if (*tried >= RUN_TRIAL)
		return true;
	++*tried;
	return false;
}

void runs_move_map(struct runs *r, void *map, size_t bits)
{
	if (r->map == r->first) /* what has pages already moved with them */
		memcpy(map, r->first, sizeof r->first);
	r->map = map;
	r->map_bits = bits;
}

static void list(struct runs *r, struct tiny_run *run)
{
	struct tiny_run **const head = &r->ring[run_class(run->size)];

	run->next = *head != NULL ? *head : run;
	run->prev = *head != NULL ? (*head)->prev : run;
	run->next->prev = run->prev->next = run;
	*head = run;
}

static void unlist(struct runs *r, struct tiny_run *run)
{
	struct tiny_run **const head = &r->ring[run_class(run->size)];

	run->prev->next = run->next;
	run->next->prev = run->prev;
	if (*head == run)
		*head = run->next != run ? run->next : NULL;
}

void runs_begin(struct runs *r, const struct chunk_heap *h, struct chunk *c, size_t n)
{
	struct tiny_run *const run = chunk_payload(h, c);
	const size_t bit = runs_bit(h, run), size = round_up(n, MAX_ALIGN);
	const size_t slots = (RUN_LEN - reuse_overhead(h->reuse) - round_up(sizeof *run,
	    MAX_ALIGN)) / size;

	*run = (struct tiny_run){.size = (uint32_t)size, .slots = (uint16_t)slots,
	    .unused = (uint16_t)slots};
	r->map[bit / 64] |= (uint64_t)1 << bit % 64;
	r->count++;
	list(r, run);
}

void *runs_take(struct runs *r, size_t n)
{
	struct tiny_run *const run = r->ring[run_class(n)];
	size_t word = 0;

	while (~run->live[word] == 0)
		word++;
	const size_t i = word * 64 + (size_t)__builtin_ctzll(~run->live[word]);
	run->live[word] |= (uint64_t)1 << i % 64;
	if (--run->unused == 0)
		unlist(r, run);
	return slot_at(run, i);
}

struct chunk *runs_give(struct runs *r, const struct chunk_heap *h, void *p)
{
	struct tiny_run *const run = run_of(p);
	const size_t i = slot_index(run, p), bit = runs_bit(h, run);

	if (i >= run->slots)
		misuse_invalid_free(p);
	if (!slot_live(run, i))
		misuse_double_free(p, run->size);
	run->live[i / 64] &= ~((uint64_t)1 << i % 64);
	if (run->unused++ == 0)
		list(r, run);
	if (run->unused < run->slots)
		return NULL;
	unlist(r, run);
	r->map[bit / 64] &= ~((uint64_t)1 << bit % 64);
	r->count--;
	return chunk_of(h, run);
}

/* ---- looking inside */

bool runs_walk(const struct runs *r, const struct chunk_heap *h, const struct chunk *c,
    dmm_visit *visit,
    void *arg, int *result)
{
	const struct tiny_run *const run = chunk_payload(h, c);
	const int32_t bin = BINS + (int32_t)run_class(is_aligned(run, RUN_LEN) ? run->size : 1);

	if (!is_aligned(run, RUN_LEN) || !runs_hold(r, h, run))
		return false;
	int w = piece(visit, arg, run, ptr_diff(slot_at(run, 0), run), DMM_META, "run", -1);
	for (size_t i = 0; i < run->slots && w == 0; i++)
		w = slot_live(run, i) ? piece(visit, arg, slot_at(run, i), run->size, DMM_LIVE,
		    "payload", -1)
		                      : piece(visit, arg, slot_at(run, i), run->size, DMM_FREE,
		                      "slot", bin);
	if (w == 0)
		w = piece(visit, arg, slot_at(run, run->slots),
		    chunk_usable(h, c) - ptr_diff(slot_at(run, run->slots), run), DMM_PAD,
		    "rest of a run", -1);
	*result = w;
	return true;
}

static bool check_run(const struct runs *r, const struct chunk_heap *h, const struct tiny_run *run,
    struct dmm_fault *why)
{
	size_t live = 0;
	bool listed = false;

	if (run->size == 0 || run->size > r->max + MAX_ALIGN - 1 || run->size % MAX_ALIGN != 0)
		return fault(why, "R1 mapped", run, run->size, r->max);
	for (size_t i = 0; i < RUN_BITS; i++)
		live += slot_live(run, i);
	if (live + run->unused != run->slots || live == 0)
		return fault(why, "R2 counted", run, run->unused, run->slots - live);
	const struct tiny_run *const head = r->ring[run_class(run->size)], *at = head;
	for (size_t i = 0; at != NULL && !listed && i < r->count && runs_hold(r, h, at); i++,
	    at = at->next)
		listed = at == run;
	if (listed != (run->unused != 0))
		return fault(why, "R3 listed", run, listed, run->unused != 0);
	return true;
}

bool runs_check(const struct runs *r, const struct chunk_heap *h, struct dmm_fault *why)
{
	size_t mapped = 0;

	for (const struct chunk *c = h->first; c != h->last && r->count != 0; c = chunk_after(c)) {
		const struct tiny_run *const run = chunk_payload(h, c);
		if (!is_aligned(run, RUN_LEN) || !runs_hold(r, h, run))
			continue;
		if (!chunk_live(c) || (c->head & (CHUNK_M | CHUNK_W)) != 0 ||
		    chunk_size(c) < RUN_LEN)
			return fault(why, "R1 mapped", run, c->head, RUN_LEN | CHUNK_L);
		if (!check_run(r, h, run, why))
			return false;
		mapped++;
	}
	for (size_t i = 0; i < r->map_bits / 64; i++)
		mapped -= (size_t)__builtin_popcountll(r->map[i]);
	return mapped == 0 || fault(why, "R1 mapped", r->map, mapped, 0);
}

void *runs_next_free(const struct runs *r, size_t class, const void *after)
{
	const struct tiny_run *run = after != NULL ? run_of(after)
	    : class < RUN_CLASSES ? r->ring[class] : NULL;
	size_t i = after != NULL ? slot_index(run, after) + 1 : 0;

	for (; run != NULL; i = 0) {
		for (; i < run->slots; i++)
			if (!slot_live(run, i))
				return slot_at(run, i);
		run = run->next != r->ring[class] ? run->next : NULL;
	}
	return NULL;
}
