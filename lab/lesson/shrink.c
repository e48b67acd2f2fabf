/* shrink.c - delta debugging of a script's steps. */
#include "lesson/shrink.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/clock.h"

/* So many steps are looked at closely, and in pairs. */
enum { SHORT = 400, PAIRS = 30 };

struct shrink_search {
	struct shrink *x;
	struct script_step *trial; /* room for all steps */
	double until;
};

/* Do these steps fail as the script did? If so they are the answer so far, without the steps after
 * the one to blame. */
static bool fails(struct shrink_search *s, size_t count, uint64_t repeat)
{
	struct shrink *const x = s->x;
	const struct play play = {.t = x->t, .step = s->trial, .count = count, .blind = x->blind,
	    .repeat = repeat, .closely = count <= SHORT && repeat <= 1};

	if (clock_s(CLOCK_MONOTONIC) > s->until) {
		x->stopped = true;
		return false;
	}
	x->tries++;
	const struct play_result r = play_run(&play);
	if (!play_is_same(&r, &x->target))
		return false;
	x->target = r;
	x->count = repeat > 1 ? count : min_size(count, r.step + 1);
	x->repeat = repeat > 1 ? r.round + 1 : 1;
	memmove(x->step, s->trial, x->count * sizeof *x->step);
	return true;
}

static bool without(struct shrink_search *s, size_t from, size_t len)
{
	struct shrink *const x = s->x;
	const size_t behind = x->count - from - len;

	memcpy(s->trial, x->step, from * sizeof *x->step);
	memcpy(s->trial + from, x->step + from + len, behind * sizeof *x->step);
	return fails(s, x->count - len, x->repeat);
}

/* The last steps alone: most faults need no long history. */
static void try_ends(struct shrink_search *s)
{
	for (size_t len = 8; len < s->x->count; len *= 4) {
		memcpy(s->trial, s->x->step + s->x->count - len, len * sizeof *s->trial);
		if (fails(s, len, 1))
			return;
	}
}

static bool remove_parts(struct shrink_search *s)
{
	bool any = false;

	for (size_t len = max_size(s->x->count / 2, 1); len > 0; len /= 2)
		for (size_t from = 0; from + len <= s->x->count && s->x->count > 1;) {
			const size_t before = s->x->count;
			if (without(s, from, len))
				any = true;
			else
				from += len;
			if (s->x->stopped)
				return any;
			if (s->x->count < before)
				len = min_size(len, max_size(s->x->count / 2, 1));
		}
	return any;
}

static size_t copy_without_name(struct shrink_search *s, uint32_t name)
{
	size_t n = 0;

	for (size_t k = 0; k < s->x->count; k++)
		if (s->x->step[k].name != name)
			s->trial[n++] = s->x->step[k];
	return n;
}

/* All steps of one object, which may be many. */
static bool remove_objects(struct shrink_search *s)
{
	bool any = false;

	for (size_t k = 0; k < s->x->count && s->x->count <= SHORT; k++) {
		const uint32_t name = s->x->step[k].name;
		const size_t n = copy_without_name(s, name);
		if (name != 0 && n > 0 && n < s->x->count && fails(s, n, s->x->repeat))
			any = true, k = (size_t)-1;
	}
	return any;
}

static bool remove_pairs(struct shrink_search *s)
{
	for (size_t a = 0; a < s->x->count && s->x->count <= PAIRS; a++)
		for (size_t b = a + 1; b < s->x->count; b++) {
			size_t n = 0;
			for (size_t k = 0; k < s->x->count; k++)
				if (k != a && k != b)
					s->trial[n++] = s->x->step[k];
			if (n > 0 && fails(s, n, s->x->repeat))
				return true;
		}
	return false;
}

static bool with(struct shrink_search *s, size_t k, struct script_step step)
{
	if (memcmp(&s->x->step[k], &step, sizeof step) == 0)
		return false;
	memcpy(s->trial, s->x->step, s->x->count * sizeof *s->trial);
	s->trial[k] = step;
	return fails(s, s->x->count, s->x->repeat);
}

/* A plain malloc instead of calloc and aligned_alloc; a request that is not refused. */
static bool simplify_call(struct shrink_search *s, size_t k)
{
	struct script_step step = s->x->step[k];
	bool any = false;

	step.refuse = false;
	any |= with(s, k, step);
	if (k >= s->x->count)
		return any;
	step = s->x->step[k];
	if (step.op == SCRIPT_CALLOC && step.extra * step.n != 0)
		step.n *= step.extra;
	if (step.op == SCRIPT_CALLOC || step.op == SCRIPT_ALIGNED) {
		step.op = SCRIPT_MALLOC;
		step.extra = 0;
		any |= with(s, k, step);
	}
	return any;
}

/* The smallest of some round sizes. */
static bool simplify_size(struct shrink_search *s, size_t k)
{
	static const uint64_t round[] = {16, 8, 24, 32, 40, 48, 64, 80, 100, 128, 150, 200, 256,
	    300,
	    400, 500, 512, 800, 1000, 1024, 2000, 2048, 4000, 4096, 5000, 8192, 10000, 20000, 50000,
	    100000, 200000, 500000, 1000000};
	struct script_step step = s->x->step[k];
	const uint64_t n = step.n;

	if (step.op == SCRIPT_FREE || step.op == SCRIPT_TRIM)
		return false;
	for (size_t i = 0; i < sizeof round / sizeof *round && round[i] < n; i++) {
		step.n = round[i];
		if (with(s, k, step))
			return true;
	}
	return false;
}

static bool simplify(struct shrink_search *s)
{
	bool any = false;

	for (size_t k = 0; k < s->x->count && s->x->count <= SHORT; k++) {
		any |= simplify_call(s, k);
		if (k < s->x->count)
			any |= simplify_size(s, k);
	}
	return any;
}

/* Memory that is never used again shows best in a loop of malloc and free, or with realloc. */
static bool try_loop(struct shrink_search *s, uint64_t n, uint64_t grown)
{
	enum { ROUNDS = 4000000 };
	size_t count = 0;

	s->trial[count++] = (struct script_step){.op = SCRIPT_MALLOC, .name = 1, .n = n};
	if (grown != 0)
		s->trial[count++] = (struct script_step){.op = SCRIPT_REALLOC, .name = 1,
		    .n = grown};
	s->trial[count++] = (struct script_step){.op = SCRIPT_FREE, .name = 1};
	return fails(s, count, min_size(ROUNDS, ((size_t)2 << 30) / (n + grown + 16)));
}

static bool try_loops(struct shrink_search *s)
{
	static const uint64_t sizes[] = {1000, 100, 10000, 100000, 16, 5000, 1000000, 40, 300,
	    2000};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (try_loop(s, sizes[i], 0))
			return true;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (try_loop(s, sizes[i], 3 * sizes[i]))
			return true;
	return false;
}

static void look_for_less(struct shrink_search *s)
{
	try_ends(s);
	bool again = true;
	while (again && !s->x->stopped) {
		again = remove_parts(s);
		again |= remove_objects(s);
		again |= remove_pairs(s);
		again |= simplify(s);
	}
}

bool shrink_script(struct shrink *x, const struct script *script, const struct play_result *target)
{
	struct shrink_search s = {.x = x, .until = clock_s(CLOCK_MONOTONIC) + x->seconds};
	const size_t len = (script->count + 3) * sizeof *x->step;

	x->step = malloc(len);
	s.trial = malloc(len);
	x->target = *target;
	x->repeat = 1;
	bool found = false;
	if (x->step != NULL && s.trial != NULL && script->count != 0) {
		memcpy(s.trial, script->step, script->count * sizeof *x->step);
		found = strncmp(target->rule, "S11 ", 4) == 0 && try_loops(&s);
		if (!found) {
			memcpy(s.trial, script->step, script->count * sizeof *x->step);
			found = fails(&s, script->count, 1);
			if (found)
				look_for_less(&s);
		}
	}
	free(s.trial);
	return found;
}

void shrink_free(struct shrink *x)
{
	free(x->step);
	x->step = NULL;
}
