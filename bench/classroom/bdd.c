/* bdd.c - counts the ways to put N queens on a board, with binary decision diagrams (Bryant, 1986).
 *
 *   usage: bdd [N]
 *
 *   bucket[hash] ---> node ---> node ---> NULL      the unique table: no two nodes are equal
 *                      |  \
 *                     low  high                     each node counts who refers to it
 *
 * A package of many small nodes: constraints build intermediate diagrams, which die, are collected
 * when many are dead, and leave holes between the nodes that live.
 */
#include "random.h"

struct node {
	uint32_t id;       /* hashed instead of the address, which differs from run to run */
	uint16_t variable; /* the terminals have TERMINAL */
	uint16_t refs;     /* of the terminals it means nothing */
	struct node *low, *high, *next;
};

enum { CACHE = 1 << 12, TERMINAL = UINT16_MAX, COLLECT = 1000 };

static struct node zero = {.variable = TERMINAL}, one = {.id = 1, .variable = TERMINAL};
static struct node **bucket;
static size_t buckets, nodes, dead;
static uint32_t ids = 2;
static struct {
	struct node *f, *g, *result;
	char op;
} cache[CACHE];

static size_t hash_of(int what, const struct node *f, const struct node *g)
{
	uint64_t state = (uint64_t)what * 3 + (uint64_t)f->id * 0x10001 + (uint64_t)g->id *
	    0x1000003;
	return (size_t)random_next(&state) & (buckets - 1);
}

static void grow_table(void)
{
	struct node **const old = bucket;
	const size_t count = buckets;

	buckets = count == 0 ? 256 : 2 * count;
	bucket = need(calloc(buckets, sizeof *bucket));
	for (size_t i = 0; i < count; i++)
		for (struct node *n = old[i], *next; n != NULL; n = next) {
			struct node **const head = &bucket[hash_of(n->variable, n->low, n->high)];
			next = n->next;
			n->next = *head;
			*head = n;
		}
	free(old);
}

static struct node *hold(struct node *n)
{
	if (n->variable != TERMINAL && n->refs++ == 0)
		dead--;
	return n;
}

static void release(struct node *n)
{
	if (n->variable != TERMINAL && --n->refs == 0)
		dead++;
}

/* The node with these branches, held once more. */
static struct node *make(int variable, struct node *low, struct node *high)
{
	if (low == high)
		return hold(low);
	if (nodes >= 2 * buckets)
		grow_table();
	struct node **const head = &bucket[hash_of(variable, low, high)];
	for (struct node *n = *head; n != NULL; n = n->next)
		if (n->variable == variable && n->low == low && n->high == high)
			return hold(n);
	struct node *const n = need(malloc(sizeof *n));
	*n = (struct node){ids++, (uint16_t)variable, 1, hold(low), hold(high), *head};
	*head = n;
	nodes++;
	return n;
}

/* Take one dead node out of its bucket; its branches may die of it. */
static void bury(struct node **at)
{
	struct node *const n = *at;

	*at = n->next;
	release(n->low);
	release(n->high);
	free(n);
	nodes--;
	dead--;
}

static void collect(void)
{
	for (size_t i = 0; i < CACHE; i++)
		cache[i].f = NULL;
	while (dead != 0)
		for (size_t i = 0; i < buckets; i++)
			for (struct node **at = &bucket[i]; *at != NULL;)
				if ((*at)->refs == 0)
					bury(at);
				else
					at = &(*at)->next;
}

static struct node *branch(struct node *n, int variable, int which)
{
	return n->variable != variable ? n : which ? n->high : n->low;
}

static struct node *terminal_case(char op, struct node *f, struct node *g)
{
	struct node *const absorbs = op == '&' ? &zero : &one,
	    *const neutral = op == '&' ? &one : &zero;

	if (f == absorbs || g == absorbs)
		return absorbs;
	if (f == neutral || f == g)
		return g;
	return g == neutral ? f : NULL;
}

/* f op g, held for the caller. */
static struct node *apply(char op, struct node *f, struct node *g)
{
	struct node *r = terminal_case(op, f, g);

	if (r != NULL)
		return hold(r);
	const size_t at = hash_of(op, f, g) % CACHE;
	if (cache[at].f == f && cache[at].g == g && cache[at].op == op)
		return hold(cache[at].result);
	const int variable = f->variable < g->variable ? f->variable : g->variable;
	struct node *const low = apply(op, branch(f, variable, 0), branch(g, variable, 0));
	struct node *const high = apply(op, branch(f, variable, 1), branch(g, variable, 1));
	r = make(variable, low, high);
	release(low);
	release(high);
	cache[at].f = f;
	cache[at].g = g;
	cache[at].op = op;
	cache[at].result = r;
	return r;
}

/* *all becomes *all & more; `more` is released. */
static void constrain(struct node **all, struct node *more)
{
	struct node *const both = apply('&', *all, more);

	release(*all);
	release(more);
	*all = both;
	if (dead > COLLECT)
		collect();
}

/* A queen on field `field` of an n by n board forbids one on each field that it attacks. */
static struct node *forbids(int field, int n)
{
	struct node *all = hold(&one);

	for (int other = n * n - 1; other >= 0; other--) {
		const int rows = abs(other / n - field / n), columns = abs(other % n - field % n);
		if (other == field || (rows != 0 && columns != 0 && rows != columns))
			continue;
		struct node *const no = make(other, &one, &zero);
		struct node *const here = make(field, &one, &zero);
		constrain(&all, apply('|', here, no));
		release(here);
		release(no);
	}
	return all;
}

static struct node *some_queen_in(int row, int n)
{
	struct node *any = hold(&zero);

	for (int column = n - 1; column >= 0; column--) {
		struct node *const queen = make(row * n + column, &zero, &one);
		struct node *const both = apply('|', any, queen);
		release(any);
		release(queen);
		any = both;
	}
	return any;
}

static double ways(const struct node *n, int variable, int end)
{
	if (n == &zero)
		return 0;
	if (variable == end)
		return 1;
	if (n->variable != variable)
		return ways(n, variable + 1, end);
	return ways(n->low, variable + 1, end) + ways(n->high, variable + 1, end);
}

int main(int argc, char **argv)
{
	const int n = (int)number_or(argc, argv, 6);
	struct node *all = hold(&one);

	grow_table();
	for (int row = 0; row < n; row++)
		constrain(&all, some_queen_in(row, n));
	for (int field = 0; field < n * n; field++)
		constrain(&all, forbids(field, n));
	printf("%d queens: %.0f ways, %zu nodes\n", n, ways(all, 0, n * n), nodes);
	release(all);
	collect();
	free(bucket);
	return 0;
}
