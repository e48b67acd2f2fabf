/* quiz.c - the heap before a call, a question, and then what the call did. */
#include <stdlib.h>
#include <string.h>

#include "draw/narrate.h"
#include "show/show.h"

enum { ANSWERS = 5, LINE = 64 };

struct question {
	const char *asks;
	const char *answer[ANSWERS];
	size_t answers, right; /* right: from 1 */
};

static struct question of_malloc(const struct tell *t)
{
	struct question q = {"What will malloc do?",
	    {"It gives memory that the heap has already, with no rest",
	        "It splits a free chunk: a part of it stays free", "The heap section grows",
	        "The system maps new pages"}, 4, 1};

	q.right = t->grew != 0 ? (t->call.mapped ? 4 : 3) : t->found != NULL && t->split ? 2 : 1;
	return q;
}

static struct question of_free(const struct tell *t)
{
	struct question q = {"What will free do?",
	    {"Nothing: the heap looks the same", "The chunk is free, and a chunk of its own",
	        "It becomes one free chunk with one neighbour",
	        "It becomes one free chunk with both neighbours",
	        "Its memory goes back to the system"}, 5, 1};

	q.right = t->unmapped ? 5 : t->freed == NULL ? 1
	    : t->merged_prev && t->merged_next ? 4 : t->merged_prev || t->merged_next ? 3 : 2;
	return q;
}

/* The number of an answer; 0: the student leaves. */
static size_t ask(const struct question *q)
{
	char line[LINE];

	printf("%s\n", q->asks);
	for (size_t i = 0; i < q->answers; i++)
		printf("  %zu  %s\n", i + 1, q->answer[i]);
	for (;;) {
		printf("1 to %zu, or q: ", q->answers);
		fflush(stdout);
		if (fgets(line, sizeof line, stdin) == NULL || line[0] == 'q') {
			putchar('\n');
			return 0;
		}
		const size_t n = strtoul(line, NULL, 10);
		if (n >= 1 && n <= q->answers)
			return n;
	}
}

void show_quiz(struct show_source *source, const struct draw_style *s, size_t from, size_t to)
{
	size_t asked = 0, right = 0;
	bool leaves = false;

	for (size_t step = from; step <= to && !leaves; step++) {
		source->seek(source->arg, step);
		const struct tell *const t = source->told(source->arg);
		if (t->used == NULL) { /* a realloc, or a call that failed:
		    there is nothing to guess */
			source->put(source->arg, stdout, s);
			putchar('\n');
			continue;
		}
		const struct question q = t->call.is_malloc ? of_malloc(t) : of_free(t);
		source->before(source->arg, stdout, s);
		const size_t n = ask(&q);
		leaves = n == 0;
		if (leaves)
			break;
		asked++;
		right += n == q.right;
		printf("%s%s\n\n", n == q.right ? "Right: " : "No: ", q.answer[q.right - 1]);
		source->put(source->arg, stdout, s);
		putchar('\n');
	}
	if (asked != 0)
		printf("%zu of %zu right\n", right, asked);
}
