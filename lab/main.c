/* main.c - the table of subcommands, and the choice of one. */
#include <stdio.h>
#include <string.h>

#include "lab.h"

static const struct command commands[] = {
    {0},
};

static int usage(FILE *out)
{
	fputs("usage: dmm COMMAND ...\n\n", out);
	for (const struct command *c = commands; c->name != NULL; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->doc);
	return out == stdout ? EXIT_FINE : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage(stderr);
	if (strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(argv[1], c->name) == 0)
			return c->run(argc - 1, argv + 1);
	fprintf(stderr, "dmm: unknown command '%s'\n", argv[1]);
	return EXIT_USAGE;
}
