/* nearest.h - which of some names did the user mean?  Neither allocates nor fails. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* The one of names[0..count) with the least edit distance to `word`, or NULL when even that one
 * differs in more than half of its letters. */
const char *nearest_name(const char *word, const char *const *names, size_t count);

#endif
