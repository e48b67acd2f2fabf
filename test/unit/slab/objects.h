/* objects.h - arrays of objects from slab, each filled with a byte of its own, for
 * tests of many. */
#ifndef TEST_UNIT_SLAB_OBJECTS_H
#define TEST_UNIT_SLAB_OBJECTS_H

#include <stddef.h>

/* Allocate object[from] to object[to - 1], of n bytes each, and write to all of them. */
void objects_fill(char **object, size_t from, size_t to, size_t n);
/* Free those that are not NULL, and make them NULL. */
void objects_free(char **object, size_t from, size_t to);
/* Every seventh byte of those that are not NULL is what objects_fill() wrote. */
void objects_compare(char *const *object, size_t from, size_t to, size_t n);

#endif
