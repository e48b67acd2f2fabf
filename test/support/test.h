/* test.h - a thin front over cmocka: TEST(name_is_a_sentence) { ... }, collected by
 * test/support/main.c.
 *
 * Tests register themselves before main(); `PROGRAM WORD` runs those whose name holds WORD.
 * Assertions are cmocka's (assert_true, assert_int_equal, assert_ptr_equal, ...).
 */
#ifndef TEST_TEST_H
#define TEST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(name)                                                                                 \
	static void name(void **state);                                                            \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(#name, name);                                                        \
	}                                                                                          \
	static void name(void **state __attribute__((unused)))

void test_register(const char *name, void (*run)(void **state));

/* Run act(arg) in a child.  Returns its wait status; what it wrote to stderr is in out[0..cap),
 * terminated.  A child that hangs is killed after 20 seconds. */
int test_in_child(void (*act)(void *arg), void *arg, char *out, size_t cap);

/* act(arg) must end in SIGABRT after writing exactly `line` to stderr. */
void test_aborts_saying(void (*act)(void *arg), void *arg, const char *line);
/* act(arg) must end by `signal`. */
void test_dies_by(void (*act)(void *arg), void *arg, int signal);

#endif
