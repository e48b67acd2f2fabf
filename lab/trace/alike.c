/* alike.c - see alike.h. To find the names of an address takes long: stacks are compared by their
 * first name, and those that are alike by their first 2 names, 4, 8 and so on. */
#include "trace/alike.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "observe/xxh64.h"

struct alike_site {
	uint64_t names;     /* a hash of those that were compared so far */
	uint32_t stack, as; /* as: the stack by which it is shown */
};

static uint64_t hash_name(const char *name, uint64_t seed)
{
	return xxh64(name, strlen(name) + 1, seed);
}

static uint64_t first_name(struct symbols *symbols, const struct trace_reader *r, uint32_t stack)
{
	if (stack == 0)
		return 0;
	const uint32_t own = symbols_leave_wrappers(symbols, r, stack);
	const struct symbols_place *const p = symbols_place(symbols,
	    trace_reader_node(r, own)->addr);
	return hash_name(p->name[p->wrappers < p->count ? p->wrappers : 0], 0);
}

static uint64_t hash_names(struct symbols *symbols, const struct trace_reader *r, uint32_t stack,
    size_t depth)
{
	const char *names[SYMBOLS_DEPTH];
	const size_t count = symbols_path_to(symbols, r, stack, depth, names, NULL);
	uint64_t hash = count;

	for (size_t i = 0; i < count; i++)
		hash = hash_name(names[i], hash);
	return hash;
}

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

/* Those that are still alike are compared by more names. */
static void look_deeper(struct alike *a, struct symbols *symbols, const struct trace_reader *r,
    size_t depth)
{
	qsort(a->at, a->count, sizeof *a->at, by_names);
	for (size_t i = 0, next; i < a->count; i = next) {
		const uint64_t so_far = a->at[i].names;
		for (next = i + 1; are_alike(a, i, next);)
			next++;
		for (size_t k = i; next - i > 1 && k < next; k++)
			a->at[k].names = hash_names(symbols, r, a->at[k].stack, depth) ^ so_far;
	}
}

bool alike_merge(struct sites *s, struct symbols *symbols, const struct trace_reader *r,
    size_t depth)
{
	struct alike a = {calloc(s->count + 1, sizeof *a.at), s->count};

	if (a.at == NULL)
		return false;
	for (size_t i = 0; i < a.count; i++)
		a.at[i] = (struct alike_site){first_name(symbols, r, s->at[i].stack),
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
