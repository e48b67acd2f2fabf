/* formula.c - differentiates and simplifies generated formulas, and prints them.
 *
 *   usage: formula [FORMULAS]
 *
 *          +                    an inner node has an operator and two operands, 24 bytes;
 *         / \                   a leaf a number, 16 bytes, or a name, a string of its own
 *        *   3.5
 *       / \
 *     "x" "length"
 *
 * Trees grow and die as wholes; simplification cuts pieces out of them; texts grow by realloc.
 */
#include "random.h"

#include <stdbool.h>
#include <string.h>

/* Each kind allocates only what it has. */
struct tree {
	char what; /* '+' '*' '-' '/', 'n' a number, 'v' a name */
};
struct inner {
	struct tree tree;
	struct tree *left, *right;
};
struct number {
	struct tree tree;
	double value;
};
struct name {
	struct tree tree;
	char text[]; /* ends with 0 */
};

enum { KEPT = 64, DEPTH = 9 };

static struct tree *new_number(double value)
{
	struct number *const n = need(malloc(sizeof *n));
	*n = (struct number){{'n'}, value};
	return &n->tree;
}

static struct tree *new_name(const char *text)
{
	const size_t len = strlen(text) + 1;
	struct name *const n = need(malloc(sizeof *n + len));

	n->tree.what = 'v';
	memcpy(n->text, text, len);
	return &n->tree;
}

static struct tree *new_inner(char what, struct tree *left, struct tree *right)
{
	struct inner *const t = need(malloc(sizeof *t));
	*t = (struct inner){{what}, left, right};
	return &t->tree;
}

static struct inner *inner(struct tree *t)
{
	return (struct inner *)t;
}

static bool is_leaf(const struct tree *t)
{
	return t->what == 'n' || t->what == 'v';
}

static bool is_number(const struct tree *t, double value)
{
	return t->what == 'n' && ((const struct number *)t)->value == value;
}

static void tree_free(struct tree *t)
{
	if (!is_leaf(t)) {
		tree_free(inner(t)->left);
		tree_free(inner(t)->right);
	}
	free(t);
}

static struct tree *copy(struct tree *t)
{
	if (t->what == 'n')
		return new_number(((struct number *)t)->value);
	if (t->what == 'v')
		return new_name(((struct name *)t)->text);
	return new_inner(t->what, copy(inner(t)->left), copy(inner(t)->right));
}

static struct tree *generate(uint64_t *seed, int depth)
{
	static const char *const names[] = {"x", "y", "z", "length", "width", "temperature",
	    "initial_velocity", "number_of_samples", "t0"};

	if (depth == 0 || random_below(seed, 8) == 0)
		return random_below(seed, 3) == 0 ? new_number((double)random_below(seed, 5))
		                                  : new_name(names[random_below(seed, 9)]);
	const char what = "+*-/"[random_below(seed, 4)];
	struct tree *const left = generate(seed, depth - 1);
	return new_inner(what, left, generate(seed, depth - 1));
}

/* d t / d x, a tree of its own. */
static struct tree *derive(struct tree *t)
{
	if (is_leaf(t))
		return new_number(t->what == 'v' && strcmp(((struct name *)t)->text, "x") == 0);
	struct tree *const f = inner(t)->left, *const g = inner(t)->right;
	if (t->what == '+' || t->what == '-')
		return new_inner(t->what, derive(f), derive(g));
	struct tree *const left = new_inner('*', derive(f), copy(g));
	struct tree *const right = new_inner('*', copy(f), derive(g));
	if (t->what == '*')
		return new_inner('+', left, right);
	return new_inner('/', new_inner('-', left, right), new_inner('*', copy(g), copy(g)));
}

/* t without its root: `kept` takes its place. */
static struct tree *keep(struct tree *t, struct tree *kept)
{
	tree_free(kept == inner(t)->left ? inner(t)->right : inner(t)->left);
	free(t);
	return kept;
}

static struct tree *simplify(struct tree *t)
{
	if (is_leaf(t))
		return t;
	struct tree *const f = inner(t)->left = simplify(inner(t)->left);
	struct tree *const g = inner(t)->right = simplify(inner(t)->right);
	if ((t->what == '*' && is_number(f, 0)) || (t->what == '/' && is_number(f, 0)) ||
	    ((t->what == '+' || t->what == '-' || t->what == '/') && is_number(g, t->what == '/')))
		return keep(t, f);
	if ((t->what == '*' && (is_number(g, 0) || is_number(f, 1))) ||
	    (t->what == '+' && is_number(f, 0)))
		return keep(t, g);
	if (t->what == '*' && is_number(g, 1))
		return keep(t, f);
	if (f->what != 'n' || g->what != 'n' || t->what == '/')
		return t;
	const double a = ((struct number *)f)->value, b = ((struct number *)g)->value;
	const char what = t->what;
	tree_free(t);
	return new_number(what == '+' ? a + b : what == '-' ? a - b : a * b);
}

struct text {
	char *at;
	size_t len, cap;
};

static void append(struct text *s, const char *what)
{
	const size_t len = strlen(what);

	if (s->len + len >= s->cap)
		s->at = need(realloc(s->at, s->cap = s->cap + s->cap / 2 + len + 16));
	memcpy(s->at + s->len, what, len + 1);
	s->len += len;
}

static void print(struct text *s, struct tree *t)
{
	char number[32];

	if (t->what == 'n') {
		snprintf(number, sizeof number, "%g", ((struct number *)t)->value);
		append(s, number);
	} else if (t->what == 'v') {
		append(s, ((struct name *)t)->text);
	} else {
		append(s, "(");
		print(s, inner(t)->left);
		append(s, (char[]){' ', t->what, ' ', '\0'});
		print(s, inner(t)->right);
		append(s, ")");
	}
}

int main(int argc, char **argv)
{
	const size_t formulas = number_or(argc, argv, 400);
	struct tree *kept[KEPT] = {0};
	uint64_t seed = 333;
	size_t letters = 0;

	for (size_t i = 0; i < formulas; i++) {
		struct tree *const f = generate(&seed, DEPTH);
		struct tree *const d = simplify(derive(f));
		struct text s = {0};
		print(&s, d);
		letters += s.len;
		free(s.at);
		tree_free(f);
		struct tree **const old = &kept[random_below(&seed, KEPT)];
		if (*old != NULL)
			tree_free(*old);
		*old = d;
	}
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i] != NULL)
			tree_free(kept[i]);
	printf("%zu formulas, %zu letters\n", formulas, letters);
	return 0;
}
