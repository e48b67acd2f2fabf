/* main.c - the table of subcommands, and the choice of one. */
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cli/lab.h"

static int run_completion(int argc, char **argv);
static int run_manual(int argc, char **argv);

static const struct command commands[] = {
    {"systems", "the designs, what each teaches, and what it cannot see", cmd_systems},
    {"run", "run a program on a design", cmd_run},
    {"compare", "which allocator is best for a program: time and memory of each", cmd_compare},
    {"record", "every call of a program to its heap, into a file", cmd_record},
    {"import", "what other tools recorded, as a recording", cmd_import},
    {"info", "what is in a recording, and what was never freed", cmd_info},
    {"diff", "what changed between two recordings, by call site and size", cmd_diff},
    {"check", "budgets for a recording's memory, for CI", cmd_check},
    {"report", "a recording as one page for a browser: heap, lifetimes, call sites", cmd_report},
    {"replay", "a recording on every allocator: speed, latency, memory; designs to the byte", cmd_replay},
    {"sweep", "many replays as a list of jobs, for GNU parallel or Slurm", cmd_sweep},
    {"merge", "the results of a sweep, as one table", cmd_merge},
    {"export", "a recording for other tools: folded stacks, DHAT, CSV", cmd_export},
    {"show", "the heap, drawn in the terminal", cmd_show},
    {"top", "the heap of a running process, watched; slab only", cmd_top},
    {"bench", "measure the designs: the lecture's claims, classical patterns", cmd_bench},
    {"advise", "what is wrong with a recorded program's memory, and what would serve it better", cmd_advise},
    {"tune", "settings fitted to a recording, as a file", cmd_tune},
    {"config", "every setting of the designs, and where it came from", cmd_config},
    {"score", "the classical malloc lab: utilisation and throughput on a folder of traces", cmd_score},
    {"torture", "random operations on a system, checked against a shadow", cmd_torture},
    {"completion", "what a shell needs to complete the words of dmm", run_completion},
    {"manual", NULL, run_manual}, /* for those who build dmm: not shown */
    {0},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static int run_completion(int argc, char **argv)
{
	return cmd_completion(commands, argc, argv);
}

static int run_manual(int argc, char **argv)
{
	return cmd_manual(commands, argc, argv);
}

static int help(FILE *out)
{
	fputs("dmm - every memory manager of the lecture, and the way to choose one\n\n"
	      "usage: dmm COMMAND [OPTION...] [-- PROGRAM ARG...]\n\n",
	    out);
	for (const struct command *c = commands; c->name != NULL; c++)
		if (c->doc != NULL)
			fprintf(out, "  %-10s %s\n", c->name, c->doc);
	fputs("\n'dmm COMMAND --help' tells the options of one; 'dmm --version' which dmm this is.\n",
	    out);
	return out == stdout ? EXIT_FINE : EXIT_USAGE;
}

static void unknown(const char *word)
{
	const char *names[COMMANDS];

	for (int i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	lab_unknown(word[0] == '-' ? "option" : "command", word, names);
}

static int run(const struct command *c, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof name, "dmm %s", c->name);
	argv[0] = name;
	return c->run(argc, argv);
}

int main(int argc, char **argv)
{
	argp_program_version = "dmm " DMM_VERSION;
	argp_err_exit_status = EXIT_USAGE;

	if (argc < 2)
		return help(stderr);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return help(stdout);
	if (strcmp(argv[1], "--version") == 0) {
		puts(argp_program_version);
		return EXIT_FINE;
	}
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(argv[1], c->name) == 0)
			return run(c, argc - 1, argv + 1);
	unknown(argv[1]);
}
