/* provenance.h - where a figure comes from: the machine, its settings, and when. */
#ifndef LAB_RUN_PROVENANCE_H
#define LAB_RUN_PROVENANCE_H

#include <stddef.h>

#include "cli/json.h"

enum { PROVENANCE_LEN = 128 };

struct provenance {
	char cpu[PROVENANCE_LEN]; /* the model's name */
	char kernel[PROVENANCE_LEN];
	char libc[PROVENANCE_LEN];
	char huge_pages[PROVENANCE_LEN]; /* always, madvise or never; "unknown" */
	char date[PROVENANCE_LEN];       /* UTC, ISO 8601 */
	long cpus;
	size_t memory; /* bytes */
};

void provenance_read(struct provenance *p);
void provenance_json(const struct provenance *p, struct json *j, const char *key);

#endif
