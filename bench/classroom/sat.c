/* sat.c - decides random 3-SAT formulas by search with unit propagation (Davis, Logemann, Loveland,
 * 1962).
 *
 *   usage: sat [VARIABLES]
 *
 *   clause ---> literal ---> literal ---> literal ---> NULL         literals are list nodes
 *   occurs[literal] ---> use ---> use ---> NULL                     and so is each use of one
 *   trail ---> step ---> step ---> NULL                             what is assigned, last first
 *
 * Nodes of 16 and 24 bytes: many live from the formula on, others come and go with every step;
 * learned clauses (the decisions that led to a conflict) are forgotten, half of them, when there
 * are too many.
 */
#include "random.h"

#include <stdbool.h>

struct literal {
	int name; /* variable * 2, plus 1 if it is negated */
	struct literal *next;
};

struct clause {
	struct literal *literals;
	struct clause *next;
	bool learned;
};

struct use {
	struct clause *clause;
	struct use *next;
};

struct step {
	int name;
	bool decision;
	struct step *next;
};

enum { LEARNED_MAX = 400, CONFLICTS_MAX = 3000 };

static struct clause *clauses;
static struct use **occurs;
static signed char *value; /* of a literal: 1, -1, or 0 while open */
static struct step *trail;
static size_t literals, learned, conflicts;

static struct literal *new_literal(int name, struct literal *next)
{
	struct literal *const l = need(malloc(sizeof *l));
	*l = (struct literal){name, next};
	return l;
}

static void add_clause(struct literal *of, bool is_learned)
{
	struct clause *const c = need(malloc(sizeof *c));

	*c = (struct clause){of, clauses, is_learned};
	clauses = c;
	for (const struct literal *l = of; l != NULL; l = l->next) {
		struct use *const u = need(malloc(sizeof *u));
		*u = (struct use){c, occurs[l->name]};
		occurs[l->name] = u;
	}
	learned += is_learned;
}

static void remove_uses(const struct clause *c)
{
	for (const struct literal *l = c->literals; l != NULL; l = l->next)
		for (struct use **at = &occurs[l->name]; *at != NULL; at = &(*at)->next)
			if ((*at)->clause == c) {
				struct use *const u = *at;
				*at = u->next;
				free(u);
				break;
			}
}

static void remove_clause(struct clause **at)
{
	struct clause *const c = *at;

	*at = c->next;
	remove_uses(c);
	for (struct literal *l = c->literals, *next; l != NULL; l = next) {
		next = l->next;
		free(l);
	}
	learned -= c->learned;
	free(c);
}

/* Every second learned clause. */
static void forget(void)
{
	bool this_one = false;

	for (struct clause **at = &clauses; *at != NULL;)
		if ((*at)->learned && (this_one = !this_one))
			remove_clause(at);
		else
			at = &(*at)->next;
}

static void assign(int name, bool decision)
{
	struct step *const s = need(malloc(sizeof *s));

	*s = (struct step){name, decision, trail};
	trail = s;
	value[name] = 1;
	value[name ^ 1] = -1;
}

/* Undo up to the last decision, and give its literal; -1: there is none left. */
static int undo(void)
{
	while (trail != NULL) {
		struct step *const s = trail;
		const int name = s->name;
		const bool decision = s->decision;
		trail = s->next;
		value[name] = value[name ^ 1] = 0;
		free(s);
		if (decision)
			return name;
	}
	return -1;
}

/* 0: the clause holds or is open; 1: it forces *name; -1: it is false. */
static int judge(const struct clause *c, int *name)
{
	int open = 0;

	for (const struct literal *l = c->literals; l != NULL; l = l->next) {
		if (value[l->name] == 1)
			return 0;
		if (value[l->name] == 0) {
			*name = l->name;
			open++;
		}
	}
	return open == 0 ? -1 : open == 1;
}

/* The assignments that the newest one forces, and those that these force. False: a clause is
 * false. */
static bool propagate(int name)
{
	for (const struct use *u = occurs[name ^ 1]; u != NULL; u = u->next) {
		int forced;
		const int what = judge(u->clause, &forced);
		if (what < 0)
			return false;
		if (what > 0) {
			assign(forced, false);
			if (!propagate(forced))
				return false;
		}
	}
	return true;
}

/* The decisions that stand cannot all be: a clause that says so. */
static void learn(void)
{
	struct literal *of = NULL;

	for (const struct step *s = trail; s != NULL; s = s->next)
		if (s->decision)
			of = new_literal(s->name ^ 1, of);
	add_clause(of, true);
	if (learned > LEARNED_MAX)
		forget();
}

static int choose(void)
{
	size_t best = 0;
	int chosen = -1;

	for (size_t i = 0; i < literals; i++) {
		size_t uses = 0;
		for (const struct use *u = occurs[i]; u != NULL && value[i] == 0; u = u->next)
			uses++;
		if (uses > best) {
			best = uses;
			chosen = (int)i;
		}
	}
	return chosen;
}

/* Flip the last decision that can be flipped.  False: all has been tried. */
static bool backtrack(void)
{
	int name;

	do {
		if ((name = undo()) < 0)
			return false;
		assign(name ^ 1, false);
	} while (!propagate(name ^ 1));
	return true;
}

static bool solve(void)
{
	for (int name; (name = choose()) >= 0;) {
		assign(name, true);
		if (propagate(name))
			continue;
		learn();
		if (++conflicts > CONFLICTS_MAX || !backtrack())
			return false;
	}
	return true;
}

static void make_formula(size_t variables, uint64_t *seed)
{
	/* 4.25 clauses a variable: the hard ones */
	for (size_t i = 0; i < variables * 17 / 4; i++) {
		struct literal *of = NULL;
		for (int k = 0; k < 3; k++)
			of = new_literal((int)random_below(seed, 2 * variables), of);
		add_clause(of, false);
	}
}

static void forget_all(void)
{
	while (undo() >= 0)
		;
	while (clauses != NULL)
		remove_clause(&clauses);
}

int main(int argc, char **argv)
{
	const size_t variables = number_or(argc, argv, 120);
	uint64_t seed = 20;

	literals = 2 * variables;
	occurs = need(calloc(literals, sizeof(struct use *)));
	value = need(calloc(literals, 1));
	for (int formula = 0; formula < 5; formula++) {
		conflicts = 0;
		make_formula(variables, &seed);
		const bool yes = solve();
		printf("formula %d: %s after %zu conflicts\n", formula,
		    yes ? "satisfied" : conflicts > CONFLICTS_MAX ? "given up" : "contradictory",
		    conflicts);
		forget_all();
	}
	free(occurs);
	free(value);
	return 0;
}
