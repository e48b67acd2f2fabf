/* cmocka.h - the part of cmocka that these tests use, for systems that have no cmocka: another C
 * library, another processor.
 *
 * The names and meanings are those of cmocka 1.1 (https://cmocka.org); the tests do not see a
 * difference.  One exists: a signal in a test ends the whole run here, after the test's name.
 */
#ifndef TEST_SUPPORT_CMOCKA_CMOCKA_H
#define TEST_SUPPORT_CMOCKA_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*test_func)(void **state);
	int (*setup_func)(void **state);
	int (*teardown_func)(void **state);
	void *initial_state;
};

/* Runs them in order, says what each came to, and returns how many failed. */
int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t count,
    int (*setup)(void **state), int (*teardown)(void **state));

__attribute__((noreturn)) void _fail(const char *file, int line);
__attribute__((noreturn)) void _skip(const char *file, int line);
__attribute__((format(printf, 1, 2))) void print_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void print_message(const char *format, ...);
void cmocka_words(bool equal, const char *a, const char *b, const char *file, int line);

#define skip()           _skip(__FILE__, __LINE__)
#define fail()           _fail(__FILE__, __LINE__)
#define fail_msg(...)    (print_error(__VA_ARGS__), print_error("\n"), fail())

#define cmocka_is(right, what) ((right) ? (void)0 : (print_error("%s\n", what), fail()))
#define cmocka_numbers(a, op, b)                                                                   \
	do {                                                                                       \
		const uintmax_t a_ = (uintmax_t)(a), b_ = (uintmax_t)(b);                          \
		if (!(a_ op b_)) {                                                                 \
			print_error("not %s " #op " %s: %#jx and %#jx\n", #a, #b, a_, b_);         \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

#define assert_true(right)            cmocka_is(right, #right)
#define assert_false(wrong)           cmocka_is(!(wrong), "not " #wrong)
#define assert_null(p)                cmocka_is((p) == NULL, #p " is not NULL")
#define assert_non_null(p)            cmocka_is((p) != NULL, #p " is NULL")
#define assert_int_equal(a, b)        cmocka_numbers(a, ==, b)
#define assert_int_not_equal(a, b)    cmocka_numbers(a, !=, b)
#define assert_ptr_equal(a, b)        cmocka_numbers((uintptr_t)(a), ==, (uintptr_t)(b))
#define assert_ptr_not_equal(a, b)    cmocka_numbers((uintptr_t)(a), !=, (uintptr_t)(b))
#define assert_in_range(n, from, to)                                                               \
	do {                                                                                       \
		const uintmax_t n_ = (uintmax_t)(n);                                               \
		cmocka_numbers(n_, >=, from);                                                      \
		cmocka_numbers(n_, <=, to);                                                        \
	} while (0)
#define assert_memory_equal(a, b, len) cmocka_is(memcmp(a, b, len) == 0, #a " differs from " #b)
#define assert_string_equal(a, b)      cmocka_words(true, a, b, __FILE__, __LINE__)
#define assert_string_not_equal(a, b)  cmocka_words(false, a, b, __FILE__, __LINE__)

#endif
