/* misuse.c - the exact message of each system that notices a mistake of the program. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "contract.h"
#include "test.h"

struct mistake {
	struct heap *heap;
	void *p;
	int frees;
};

static void make(void *arg)
{
	const struct mistake *const m = arg;
	for (int i = 0; i < m->frees; i++)
		heap_free(m->heap, m->p);
}

/* The child aborts with one line that begins so. */
static void dies_saying(struct mistake m, const char *begin)
{
	char said[1000];
	const int status = test_in_child(make, &m, said, sizeof said);

	if (strncmp(said, begin, strlen(begin)) != 0)
		assert_string_equal(said, begin);
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

CONTRACT(a_double_free_is_named_and_ends_the_program, DMM_SEES_DOUBLE_FREE)
{
	static const size_t sizes[] = {1, 24, 100, 1000, 5000};
	enum { SIZES = sizeof sizes / sizeof *sizes };
	void *p[SIZES], *fence[SIZES];
	char begin[100];

	for (int i = 0; i < SIZES; i++) {
		p[i] = heap_malloc(g->heap, sizes[i]);
		fence[i] = heap_malloc(g->heap, 30); /* so that nothing merges across */
	}
	for (int i = 0; i < SIZES; i++) {
		snprintf(begin, sizeof begin, "dmm: double free: %p (", p[i]);
		dies_saying((struct mistake){g->heap, p[i], 2}, begin);
	}
	for (int i = 0; i < SIZES; i++) {
		heap_free(g->heap, p[i]);
		heap_free(g->heap, fence[i]);
	}
}

/* Its status bit may be unmapped by then; the program must not go on all the same. */
CONTRACT(a_double_free_of_a_large_object_ends_the_program, DMM_SEES_DOUBLE_FREE)
{
	char said[1000];
	struct mistake m = {g->heap, heap_malloc(g->heap, 300000), 2};
	const int status = test_in_child(make, &m, said, sizeof said);

	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGABRT || (WTERMSIG(status) == SIGSEGV &&
	    said[0] == '\0'));
	heap_free(g->heap, m.p);
}

CONTRACT(a_pointer_never_given_out_is_named_and_ends_the_program, DMM_SEES_FOREIGN)
{
	static char global[64] __attribute__((aligned(16)));
	char local[64] __attribute__((aligned(16)));
	char *const p = heap_malloc(g->heap, 1000);
	char begin[100];

	memset(p, 0, 1000);
	memset(local, 0, sizeof local);
	void *const foreign[] = {local + 32, global + 32, (void *)16, (void *)0x7fffffff0000, p + 1,
	    p + 8, p + 160};
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		snprintf(begin, sizeof begin, "dmm: invalid free: %p (", foreign[i]);
		dies_saying((struct mistake){g->heap, foreign[i], 1}, begin);
	}
	heap_free(g->heap, p);
}
