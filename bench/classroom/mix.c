/* mix.c - synthetic mixes: objects of one kind or of all, with random lives.
 *
 *   usage: mix struct|array|string|all|realloc|alternate [OPERATIONS]
 *
 *   struct      16 to 128 bytes, as records have
 *   array       of 1 to 2,000 numbers, 8 bytes each; small ones are frequent
 *   string      2 to 80 bytes
 *   all         one of these each time
 *   realloc     all of these; every fourth operation makes an object longer by a quarter
 *   alternate   one object grows by 128 bytes at a time, while small ones come and go beside it
 */
#include "random.h"

#include <string.h>

enum { OBJECTS = 12000 };

static size_t struct_size(uint64_t *seed)
{
	static const size_t sizes[] = {16, 24, 32, 40, 48, 56, 64, 72, 96, 128};
	return sizes[random_below(seed, 10)];
}

static size_t array_size(uint64_t *seed)
{
	const size_t doublings = random_below(seed, 11);
	return 8 * (1 + random_below(seed, (size_t)2 << doublings));
}

static size_t string_size(uint64_t *seed)
{
	return 2 + random_below(seed, 1 + random_below(seed, 79));
}

static size_t any_size(uint64_t *seed)
{
	switch (random_below(seed, 3)) {
	case 0:
		return struct_size(seed);
	case 1:
		return array_size(seed);
	default:
		return string_size(seed);
	}
}

static void *object[OBJECTS];
static size_t size[OBJECTS];

static void random_lives(size_t (*next_size)(uint64_t *), size_t operations, size_t grow_every)
{
	uint64_t seed = 226;

	for (size_t k = 1; k <= operations; k++) {
		const size_t i = random_below(&seed, OBJECTS);
		if (object[i] != NULL && grow_every != 0 && k % grow_every == 0) {
			size[i] += size[i] / 4 + 1;
			object[i] = need(realloc(object[i], size[i]));
		} else if (object[i] != NULL) {
			free(object[i]);
			object[i] = NULL;
		} else {
			size[i] = next_size(&seed);
			object[i] = need(malloc(size[i]));
		}
	}
	for (size_t i = 0; i < OBJECTS; i++)
		free(object[i]);
}

static void alternate(size_t operations)
{
	size_t len = 512;
	char *grows = need(malloc(len)), *before = need(malloc(128));

	for (size_t k = 0; k < operations; k += 3) {
		grows = need(realloc(grows, len += 128));
		char *const beside = need(malloc(128));
		free(before);
		before = beside;
	}
	free(grows);
	free(before);
}

int main(int argc, char **argv)
{
	const char *const kind = argc > 1 ? argv[1] : "";
	const size_t operations = number_or(argc - 1, argv + 1, 120000);

	if (strcmp(kind, "struct") == 0)
		random_lives(struct_size, operations, 0);
	else if (strcmp(kind, "array") == 0)
		random_lives(array_size, operations, 0);
	else if (strcmp(kind, "string") == 0)
		random_lives(string_size, operations, 0);
	else if (strcmp(kind, "all") == 0)
		random_lives(any_size, operations, 0);
	else if (strcmp(kind, "realloc") == 0)
		random_lives(any_size, operations, 4);
	else if (strcmp(kind, "alternate") == 0)
		alternate(operations / 8);
	else
		return fputs("usage: mix struct|array|string|all|realloc|alternate [OPERATIONS]\n",
		    stderr), 2;
	return 0;
}
