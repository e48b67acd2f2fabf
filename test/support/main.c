/* main.c - runs what TEST() registered. */
#include "test.h"

#include <string.h>

enum { TESTS_MAX = 512 };

static struct CMUnitTest tests[TESTS_MAX];
static size_t count;

void test_register(const char *name, void (*run)(void **state))
{
	if (count < TESTS_MAX)
		tests[count] = (struct CMUnitTest){.name = name, .test_func = run};
	count++;
}

int main(int argc, char **argv)
{
	size_t chosen = 0;

	if (count > TESTS_MAX)
		return 2; /* raise TESTS_MAX */
	for (size_t i = 0; i < count; i++)
		if (argc < 2 || strstr(tests[i].name, argv[1]) != NULL)
			tests[chosen++] = tests[i];
	if (chosen == 0)
		return 2;
	return _cmocka_run_group_tests("tests", tests, chosen, NULL, NULL) != 0;
}
