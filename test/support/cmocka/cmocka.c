/* cmocka.c - see cmocka.h. */
#include "cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum outcome { RUN, FAILED, SKIPPED };

static sigjmp_buf back;
static pid_t runner;

void print_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

void print_message(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
}

void _fail(const char *file, int line)
{
	print_error("%s:%d: error: failure\n", file, line);
	if (getpid() != runner) /* a child has no business in the rest of the run */
		_exit(1);
	siglongjmp(back, FAILED);
}

void _skip(const char *file, int line)
{
	(void)file, (void)line;
	siglongjmp(back, SKIPPED);
}

void cmocka_words(bool equal, const char *a, const char *b, const char *file, int line)
{
	if ((strcmp(a, b) == 0) == equal)
		return;
	print_error("\"%s\" %s \"%s\"\n", a, equal ? "is not" : "is", b);
	_fail(file, line);
}

static enum outcome run(const struct CMUnitTest *t)
{
	void *state = t->initial_state;
	const enum outcome how = (enum outcome)sigsetjmp(back, 1);

	if (how == RUN) {
		if (t->setup_func != NULL && t->setup_func(&state) != 0)
			return FAILED;
		t->test_func(&state);
	}
	/* what fails in the teardown comes back here: it is not run again */
	const enum outcome end = (enum outcome)sigsetjmp(back, 1);
	state = t->initial_state;
	if (end == RUN && t->teardown_func != NULL && t->teardown_func(&state) != 0)
		return FAILED;
	return end != RUN ? end : how;
}

int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
    int (*setup)(void **state), int (*teardown)(void **state))
{
	static const char *const said[] = {"       OK", "  FAILED ", "  SKIPPED"};
	size_t of[3] = {0};

	if (setup != NULL || teardown != NULL)
		abort(); /* no test here has them for a group */
	runner = getpid();
	for (size_t i = 0; i < count; i++) {
		printf("[ RUN      ] %s\n", tests[i].name);
		fflush(stdout); /* the name is there if it crashes, and no child writes it again */
		const enum outcome o = run(&tests[i]);
		of[o]++;
		printf("[%s ] %s\n", said[o], tests[i].name);
	}
	printf("%s: %zu tests, %zu failed, %zu skipped\n", group, count, of[FAILED], of[SKIPPED]);
	fflush(stdout);
	return (int)of[FAILED];
}
