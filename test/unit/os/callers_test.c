/* callers_test.c - stacks as glibc's backtrace() finds them, which loads libgcc's unwinder and
 * allocates. */
#include <execinfo.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "os/callers.h"
#include "os/frame_rules.h"
#include "os/segv.h"
#include "test.h"

enum { DEPTH = 40 };

static size_t compared;

/* The callers of this function, both ways; the first address lies in this function itself. */
__attribute__((noinline)) static void compare(void)
{
	const void *ours[DEPTH] = {0};
	void *theirs[DEPTH];
	const size_t n = callers_here(NULL, ours, DEPTH);
	const int wanted = backtrace(theirs, DEPTH);

	const size_t own = (size_t)wanted - n; /* a sanitizer lists its own frame first */
	assert_true(wanted > 1);
	assert_in_range(own, 0, 1);
	for (size_t i = 1; i < n; i++)
		assert_ptr_equal(ours[i], theirs[i + own]);
	compared++;
}

static int compare_two(const void *a, const void *b)
{
	if (compared % 2 == 0)
		compare();
	return *(const int *)a - *(const int *)b;
}

/* Frames of a size that is known at run time only, found by a frame pointer. */
__attribute__((noinline)) static void deep(int depth, size_t n)
{
	volatile char *const room = __builtin_alloca(n);

	room[n - 1] = (char)depth;
	if (depth > 0)
		deep(depth - 1, n + 16 + room[n - 1]);
	else
		compare();
	room[0] = 1;
}

static void *in_thread(void *arg)
{
	deep(3, 100);
	compare();
	return arg;
}

TEST(callers_are_those_that_glibc_finds)
{
	int numbers[] = {3, 1, 2, 9, 4};
	pthread_t t;

	for (int again = 0; again < 3; again++) { /* read first, then remembered */
		compared = 0;
		compare();
		qsort(numbers, 5, sizeof *numbers, compare_two); /* through the C library */
		deep(10, 40);
		assert_int_equal(pthread_create(&t, NULL, in_thread, NULL), 0);
		pthread_join(t, NULL);
		assert_true(compared >= 4);
	}
}

/* On a stack that ends where nothing is mapped. */
static ucontext_t back, there;

static void on_another_stack(void)
{
	const void *ours[DEPTH];
	const size_t n = callers_here(NULL, ours, DEPTH);

	assert_true(n >= 1 && n < DEPTH);
	setcontext(&back);
}

TEST(a_stack_of_the_programs_own_ends_the_list_and_not_the_program)
{
	const size_t len = 1 << 16;
	char *const stack = mmap(NULL, len + 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(stack, MAP_FAILED);
	mprotect(stack + len, 4096, PROT_NONE);
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = len;
	makecontext(&there, on_another_stack, 0);
	swapcontext(&back, &there);
	munmap(stack, len + 4096);
}

TEST(registers_that_lead_nowhere_give_no_callers)
{
	const void *out[8];
	char here[64];
	const uintptr_t wild[] = {0, 1, 4096, (uintptr_t)here, (uintptr_t)here | 3, UINTPTR_MAX - 7,
	    1ul << 47};

	memset(here, 0x41, sizeof here);
	for (size_t i = 0; i < sizeof wild / sizeof *wild; i++)
		for (size_t k = 0; k < sizeof wild / sizeof *wild; k++) {
			const struct frame f = {.pc = (uintptr_t)compare + 4, .sp = wild[i],
			    .fp = wild[k]};
			assert_true(callers_of(f, out, 8) <= 8);
			const struct frame g = {.pc = wild[k], .sp = wild[i],
			    .fp = (uintptr_t)here};
			assert_true(callers_of(g, out, 8) <= 8);
		}
}

TEST(a_thread_number_is_the_kernels)
{
	assert_int_equal(thread_number(), getpid());
}
