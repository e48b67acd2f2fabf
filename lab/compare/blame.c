/* blame.c - suggests the next command after the user's own design failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/design.h"
#include "compare/compare.h"

bool compare_blame(const struct compare *c)
{
	for (size_t i = 0; i < c->rows; i++) {
		const struct allocator *const a = c->row[i].allocator;
		const enum outcome outcome = c->row[i].outcome;
		char *word = NULL;
		bool said = false;
		if ((outcome == OUTCOME_CRASHED || outcome == OUTCOME_DIFFERS) && a->own_path &&
		    asprintf(&word, "%.*s=%s", (int)strcspn(a->name, "?"), a->name, a->path) >= 0)
			said = design_blame(word);
		free(word);
		if (said)
			return true;
	}
	return false;
}
