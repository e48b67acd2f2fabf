/* lesson.c - from a failed torture to a page. */
#include "lesson/lesson.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/allocators.h"
#include "cli/lab.h"
#include "lesson/picture.h"
#include "lesson/program.h"
#include "lesson/rules.h"
#include "lesson/shrink.h"

struct lesson {
	const struct torture *t;            /* as it was run; .script has the last epoch's steps */
	const struct torture_result *found; /* how it ended */
	const char *word;    /* the design as it was asked for */
	const char *library; /* what a program preloads to run on it */
	const char *conf;    /* "" for the defaults */
	double seconds;      /* for shrinking */
	const char *file;    /* the C program goes there; NULL: to stdout, after the rest */
};

/* So many operations more are made to see what a program notices of a damaged structure. */
enum { CONSEQUENCE_OPS = 100000, CALLS_SHOWN = 40 };

static struct play_result as_played(const struct torture_result *r)
{
	struct play_result p = {.end = r->end, .why = r->why, .signal = r->signal,
	    .inside = r->inside};

	snprintf(p.rule, sizeof p.rule, "%s", r->rule);
	return p;
}

/* The same design as a program sees it, with the same seed: the same operations, and more of
 * them. */
static bool find_consequence(const struct lesson *l, struct script *script,
    struct play_result *seen)
{
	struct torture t = *l->t;

	t.blind = true;
	t.ops = l->found->ops + CONSEQUENCE_OPS;
	t.script = script;
	const struct torture_result r = torture_run(&t);
	*seen = as_played(&r);
	return r.end != TORTURE_FINE && r.end != TORTURE_CANNOT;
}

/* Nothing fails while the program writes no more than it asked for: usable() promises too much. */
static bool usable_is_to_blame(const struct shrink *x)
{
	const struct play modest = {.t = x->t, .step = x->step, .count = x->count, .blind = true,
	    .asked_only = true, .closely = true};

	return x->blind && x->repeat <= 1 && strncmp(x->target.rule, "S6 ", 3) != 0 &&
	    play_run(&modest).end == TORTURE_FINE && !x->target.inside;
}

static const struct rule *rule_of(const struct play_result *r)
{
	return rule_find(r->inside                 ? "inside"
	        : r->end == TORTURE_DIED  ? "crash"
	        : r->end == TORTURE_HANGS ? "hang"
	        : r->end == TORTURE_EXITED ? "exit"
	                                  : r->rule);
}

/* ---- the page -------------------------------------------------------------------------------- */

static void put_rule(const struct lesson *l, const struct shrink *x, const struct rule *rule,
    const struct draw_style *s)
{
	char link[RULE_LINK], text[200];

	snprintf(text, sizeof text, "%s: %s (%s%s%s)", l->word, rule->title,
	    strcmp(rule->id, "own") == 0 ? "rule " : "", strcmp(rule->id,
	    "own") == 0 ? x->target.rule
	    : rule->id, x->target.end == TORTURE_DIED ? strsignal(x->target.signal) : "");
	if (x->target.end == TORTURE_DIED)
		snprintf(text, sizeof text, "%s: %s (%s)", l->word, rule->title,
		    strsignal(x->target.signal));
	printf("\n");
	draw_text(stdout, s, 0, text);
	draw_text(stdout, s, 2, rule->words);
	snprintf(text, sizeof text, "Usual mistakes:");
	draw_text(stdout, s, 2, text);
	draw_text(stdout, s, 4, rule->causes);
	draw_text(stdout, s, 2, rule_link(link, rule));
}

static void put_calls(const struct shrink *x, const struct draw_style *s, size_t steps)
{
	char call[PROGRAM_CALL], text[160];

	snprintf(text, sizeof text, "Of %zu calls %zu are enough%s%s:", steps, x->count,
	    x->repeat > 1 ? ", again and again" : "",
	    x->stopped ? " (time ran out: perhaps fewer are, --shrink=SECONDS)" : "");
	printf("\n");
	draw_text(stdout, s, 0, text);
	for (size_t k = 0; k < x->count && k < CALLS_SHOWN; k++)
		printf("  %3zu  %s;%s%s\n", k + 1, program_call(call, x->step, x->count, k),
		    x->step[k].refuse ? "  /* the system refuses its request */" : "",
		    k + 1 != x->count || x->repeat > 1 ? "" : "   <-- here");
	if (x->count > CALLS_SHOWN)
		printf("  ... and %zu more\n", x->count - CALLS_SHOWN);
	if (x->repeat > 1)
		printf("  after %" PRIu64 " times the heap has %" PRIu64 " bytes, of which %" PRIu64
		       " are live\n", x->repeat, x->target.why.found, x->target.why.wanted);
}

static void put_pictures(const struct shrink *x, const struct draw_style *s)
{
	const struct lesson_pictures p = lesson_draw(x, s);

	if (p.before != NULL && p.before[0] != '\0')
		printf("\nThe heap before the last call:\n%s", p.before);
	if (p.after != NULL && p.after[0] != '\0')
		printf("\nThe heap after it:\n%s", p.after);
	else
		printf("\nThe last call did not come back: there is no heap to draw after it.\n");
	free(p.before);
	free(p.after);
}

/* The design's own view, if it noticed before a program does. */
static void put_first_sign(const struct lesson *l, const struct shrink *x)
{
	const struct play own = {.t = l->t, .step = x->step, .count = x->count, .closely = true};
	char call[PROGRAM_CALL];

	if (!x->blind || x->repeat > 1)
		return;
	const struct play_result r = play_run(&own);
	if (r.end != TORTURE_BROKE || play_is_seen(&r) || r.step >= x->count)
		return;
	printf("\nThe first sign: after call %zu, %s, rule '%s' of the %s is broken.\n", r.step + 1,
	    program_call(call, x->step, x->count, r.step), r.rule,
	    r.rule[0] == 'S' && r.rule[1] >= '0' && r.rule[1] <= '9' ? "walk" : "design");
}

static void put_usable(const struct draw_style *s)
{
	char link[RULE_LINK], text[240];

	snprintf(text, sizeof text, "Nothing fails if only the bytes asked for are written: "
	    "usable() promises "
	    "bytes that are not the object's, %s.", rule_link(link, rule_find("S6 usable")));
	printf("\n");
	draw_text(stdout, s, 0, text);
}

static void put_program(const struct lesson *l, const struct shrink *x, const struct rule *rule)
{
	FILE *out = l->file != NULL ? fopen(l->file, "we") : stdout;
	const struct program p = {.step = x->step, .count = x->count, .repeat = x->repeat,
	    .result = &x->target, .rule = rule, .word = l->word, .library = l->library,
	    .conf = l->conf, .file = l->file != NULL ? l->file : "broken.c"};

	if (out == NULL)
		lab_die(EXIT_OURS, "%s: %s", l->file, strerror(errno));
	if (l->file == NULL)
		printf("\n");
	const bool can = play_is_seen(&x->target) ? program_print(out, &p)
	                                          : program_print_direct(out, &p);
	if (l->file != NULL && (ferror(out) != 0 || fclose(out) != 0))
		lab_die(EXIT_OURS, "%s: %s", l->file, strerror(errno));
	if (!can)
		printf("There is no C program of it: %s.\n", play_is_seen(&x->target)
		    ? x->target.end == TORTURE_EXITED ? "it would end early, as if all were well"
		                                      :
		                                      "a request that the system refuses belongs "
		                                      "to it"
		    : "only the design's check() and walk() see it, and not every step has a form "
		    "for that");
	else if (l->file != NULL)
		printf("\n%s: a C program that shows it; its first lines say how to run it.\n",
		    l->file);
}

static void tell(const struct lesson *l)
{
	const struct draw_style style = draw_style(stdout, false, 0);
	struct shrink x = {.t = l->t, .seconds = l->seconds};
	struct play_result target = as_played(l->found);
	struct script *script = l->t->script, *other = NULL;

	if (!play_is_seen(&target) && (other = script_open()) != NULL) {
		struct play_result seen;
		if (find_consequence(l, other, &seen)) {
			target = seen;
			script = other;
		}
	}
	x.blind = play_is_seen(&target);
	if (!shrink_script(&x, script, &target)) {
		printf("\nThe calls alone do not fail again (%zu of them were tried): what they "
		    "do depends on "
		       "more than the calls.\n", script->count);
	} else {
		const struct rule *const rule = rule_of(&x.target);
		put_rule(l, &x, rule, &style);
		put_calls(&x, &style, script->count);
		if (usable_is_to_blame(&x))
			put_usable(&style);
		put_first_sign(l, &x);
		put_pictures(&x, &style);
		put_program(l, &x, rule);
	}
	fflush(stdout);
	shrink_free(&x);
	script_close(other);
}

/* The library that a program preloads to run on the design: the user's own, or ours. */
static char *library_of(const char *word)
{
	const char *const equals = strchr(word, '=');
	char *const path = equals != NULL ? realpath(equals + 1, NULL) : allocator_library(word);

	return path != NULL ? path : strdup(word);
}

void lesson_tell(const struct torture_order *order, const struct torture_failure *failure)
{
	char *const library = library_of(failure->word);
	const struct lesson l = {.t = failure->t, .found = failure->result, .word = failure->word,
	    .library = library, .conf = failure->conf, .seconds = order->shrink_s,
	    .file = order->file};

	tell(&l);
	free(library);
}
