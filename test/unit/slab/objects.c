/* objects.c - see objects.h. */
#include "objects.h"

#include <string.h>

#include "slab/alloc.h"
#include "slab/fast.h"
#include "test.h"

static unsigned char mark(size_t i)
{
	return (unsigned char)(i % 251 + 1);
}

void objects_fill(char **object, size_t from, size_t to, size_t n)
{
	for (size_t i = from; i < to; i++) {
		object[i] = slab_malloc(n);
		assert_non_null(object[i]);
		memset(object[i], mark(i), n);
	}
}

void objects_free(char **object, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		slab_free(object[i]);
		object[i] = NULL;
	}
}

void objects_compare(char *const *object, size_t from, size_t to, size_t n)
{
	for (size_t i = from; i < to; i++)
		for (size_t at = 0; object[i] != NULL && at < n; at += 7)
			assert_int_equal((unsigned char)object[i][at], mark(i));
}
