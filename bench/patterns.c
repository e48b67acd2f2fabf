/* patterns.c - dmm-patterns: the choice of a pattern. */
#include "patterns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pattern *const groups[] = {patterns_single, patterns_threads, patterns_sharing,
    patterns_exchange, patterns_batches, patterns_phases};

enum { GROUPS = sizeof groups / sizeof groups[0] };

static const struct pattern *find(const char *name)
{
	for (int g = 0; g < GROUPS; g++)
		for (const struct pattern *p = groups[g]; p->name != NULL; p++)
			if (strcmp(p->name, name) == 0)
				return p;
	return NULL;
}

static int usage(FILE *out)
{
	fputs("usage: dmm-patterns PATTERN [SCALE [THREADS]]\n\n", out);
	for (int g = 0; g < GROUPS; g++)
		for (const struct pattern *p = groups[g]; p->name != NULL; p++)
			fprintf(out, "  %-18s %s\n", p->name, p->doc);
	return out == stdout ? 0 : 2;
}

static unsigned long number(const char *word)
{
	char *end;
	const unsigned long value = strtoul(word, &end, 10);

	if (*end != '\0' || value == 0 || value > 1000000)
		exit(usage(stderr));
	return value;
}

int main(int argc, char **argv)
{
	struct work w = {.scale = 1, .threads = 4};

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "--list") == 0))
		return usage(stdout);
	const struct pattern *const p = argc >= 2 && argc <= 4 ? find(argv[1]) : NULL;
	if (p == NULL)
		return usage(stderr);
	if (argc > 2)
		w.scale = number(argv[2]);
	if (argc > 3)
		w.threads = (unsigned)number(argv[3]);
	printf("%s %016llx\n", p->name, (unsigned long long)p->run(&w));
	return 0;
}
