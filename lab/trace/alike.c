/* alike.c - see alike.h. To find the names of an address takes long: stacks are compared by their
 * first name, and those that are alike by their first 2 names, 4, 8 and so on. */
#include "trace/alike.h"

#include <stdlib.h>

#include "base/bits.h"

struct alike_site {
	uint64_t names;     /* a hash of those that were compared so far, not cut short */
	uint32_t stack, as; /* as: the stack by which it is shown */
};

static int by_names(const void *a, const void *b)
{
	const struct alike_site *const x = a, *const y = b;

	if (x->names != y->names)
		return x->names < y->names ? -1 : 1;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

static int look_by_stack(const void *a, const void *b)
{
	const struct alike_site *const x = a, *const y = b;
	return x->stack < y->stack ? -1 : x->stack > y->stack;
}

struct alike {
	struct alike_site *at;
	size_t count;
};

static uint32_t shown_alike(void *arg, uint32_t stack)
{
	const struct alike *const a = arg;
	const struct alike_site wanted = {.stack = stack};
	const struct alike_site *const found =
	    bsearch(&wanted, a->at, a->count, sizeof *a->at, look_by_stack);
	return found->as;
}

static bool are_alike(const struct alike *a, size_t i, size_t k)
{
	return k < a->count && a->at[k].names == a->at[i].names;
}

/* Those that are still alike are compared by more names, the first ones among them. */
static void look_deeper(struct alike *a, struct symbols *symbols, const struct trace_reader *r,
    size_t depth)
{
	qsort(a->at, a->count, sizeof *a->at, by_names);
	for (size_t i = 0, next; i < a->count; i = next) {
		for (next = i + 1; are_alike(a, i, next);)
			next++;
		for (size_t k = i; next - i > 1 && k < next; k++)
			a->at[k].names = symbols_path_hash(symbols, r, a->at[k].stack, depth);
	}
}

bool alike_merge(struct sites *s, struct symbols *symbols, const struct trace_reader *r,
    size_t depth)
{
	struct alike a = {calloc(s->count + 1, sizeof *a.at), s->count};

	if (a.at == NULL)
		return false;
	for (size_t i = 0; i < a.count; i++)
		a.at[i] = (struct alike_site){symbols_path_hash(symbols, r, s->at[i].stack, 1),
		    s->at[i].stack, s->at[i].stack};
	for (size_t d = 2; d / 2 < depth; d *= 2)
		look_deeper(&a, symbols, r, min_size(d, depth));
	qsort(a.at, a.count, sizeof *a.at, by_names);
	for (size_t i = 1; i < a.count; i++)
		if (are_alike(&a, i, i - 1))
			a.at[i].as = a.at[i - 1].as;
	qsort(a.at, a.count, sizeof *a.at, look_by_stack);
	sites_merge(s, shown_alike, &a);
	free(a.at);
	return true;
}
