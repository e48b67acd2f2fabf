/* array.h - arrays that grow. */
#ifndef LAB_CLI_ARRAY_H
#define LAB_CLI_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* Make `array`, which has room for `cap` elements, hold at least `need`: its room doubles as often
 * as is necessary, and the new elements are all 0.  `array` and `cap` (a size_t) are variables and
 * change.  False: no memory, and nothing changed.  The caller frees the array. */
#define ARRAY_RESERVE(array, cap, need) array_reserve(&(array), &(cap), need, sizeof *(array))

/* The same for a command that cannot go on without: it ends with a line, and EXIT_OURS. */
#define ARRAY_GROW(array, cap, need) array_grow(&(array), &(cap), need, sizeof *(array))

/* array: the address of a pointer to elements of `size` bytes. */
bool array_reserve(void *array, size_t *cap, size_t need, size_t size);
void array_grow(void *array, size_t *cap, size_t need, size_t size);

#endif
