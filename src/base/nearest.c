/* nearest.c - edit distance by one row of dynamic programming (Wagner and Fischer, 1974). */
#include "base/nearest.h"

#include <string.h>

#include "base/bits.h"

enum { LETTERS = 63 }; /* longer words are not taken for misspellings */

static size_t distance(const char *a, const char *b)
{
	const size_t na = strlen(a), nb = strlen(b);
	size_t row[LETTERS + 1];

	if (na > LETTERS || nb > LETTERS)
		return LETTERS;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			const size_t change = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = min_size(change, min_size(row[j], row[j - 1]) + 1);
		}
	}
	return row[nb];
}

const char *nearest_name(const char *word, const char *const *names, size_t count)
{
	const char *best = NULL;
	size_t least = LETTERS;

	for (size_t i = 0; i < count; i++) {
		const size_t d = distance(word, names[i]);
		if (d < least && d <= (strlen(names[i]) + 1) / 2) {
			least = d;
			best = names[i];
		}
	}
	return best;
}
