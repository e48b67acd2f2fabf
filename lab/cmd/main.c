/* main.c - the table of subcommands, and the choice of one. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cmd/commands.h"
#include "cli/lab.h"
#include "cli/screen.h"

static int run_completion(int argc, char **argv);
static int run_manual(int argc, char **argv);

static const struct command commands[] = {
    {"systems", "list the designs: what each teaches, and which mistakes it cannot see",
        cmd_systems},
    {"run", "run a program on a design or on another allocator", cmd_run},
    {"compare", "run a program on every allocator: time and memory of each, and a verdict",
        cmd_compare},
    {"record", "record every call of a program to its heap", cmd_record},
    {"import", "convert another tool's recording into one of dmm", cmd_import},
    {"info", "show what is in a recording: calls, peak, call sites, leaks", cmd_info},
    {"diff", "compare two recordings, by call site and by size", cmd_diff},
    {"check", "check a recording against memory budgets, for CI", cmd_check},
    {"report", "make a page for a browser from a recording: heap, lifetimes, call sites",
        cmd_report},
    {"replay", "replay a recording on every allocator: speed, latency, memory", cmd_replay},
    {"sweep", "plan many replays as a list of jobs, for GNU parallel or Slurm", cmd_sweep},
    {"merge", "make one table of the results of a sweep", cmd_merge},
    {"export", "convert a recording for other tools: folded stacks, DHAT, CSV", cmd_export},
    {"show", "draw a heap in the terminal", cmd_show},
    {"top", "watch the heap of a running process that uses slab", cmd_top},
    {"profile", "show which call stacks of a running process hold memory, by samples", cmd_profile},
    {"bench", "measure the designs: the lecture's claims, classical patterns", cmd_bench},
    {"advise",
        "find what is wrong with a recorded program's memory, and the allocator that fits it",
        cmd_advise},
    {"tune", "search settings that fit a recording, and write them to a file", cmd_tune},
    {"config", "list every setting of the designs, its value and its origin", cmd_config},
    {"score", "score designs on the traces of the classical malloc lab", cmd_score},
    {"torture", "run random operations on a design and check each of them", cmd_torture},
    {"completion", "print what a shell needs to complete the words of dmm", run_completion},
    {"manual", NULL, run_manual}, /* for the build of dmm: not listed */
    {0},
};

enum {
	COMMANDS = sizeof commands / sizeof commands[0],
	DOC = 13, /* columns before what a command does */
};

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
		if (c->doc != NULL) {
			fprintf(out, "  %-10s ", c->name);
			screen_text(out, DOC, c->doc);
		}
	fputc('\n', out);
	screen_text(out, 0,
	    "'dmm COMMAND --help' lists the options of a command; 'dmm --version' prints the "
	    "version.");
	return out == stdout ? EXIT_FINE : EXIT_USAGE;
}

static void unknown(const char *word)
{
	const char *names[COMMANDS];
	const bool option = word[0] == '-';

	for (int i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	if (nearest_name(word, names, COMMANDS - 1) == NULL)
		lab_die(EXIT_USAGE, "unknown %s '%s'; 'dmm --help' lists the commands",
		    option ? "option" : "command", word);
	lab_unknown(option ? "option" : "command", word, names);
}

static int run(const struct command *c, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof name, "dmm %s", c->name);
	argv[0] = name;
	return c->run(argc, argv);
}

static const struct command *find(const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(name, c->name) == 0)
			return c;
	unknown(name);
	return NULL;
}

static bool asks_for_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 ||
	    strcmp(word, "-h") == 0 || strcmp(word, "-?") == 0;
}

/* 'dmm help COMMAND' is 'dmm COMMAND --help'. */
static int help_on(const char *name)
{
	char option[] = "--help", *argv[] = {NULL, option, NULL};

	return asks_for_help(name) ? help(stdout) : run(find(name), 2, argv);
}

int main(int argc, char **argv)
{
	argp_program_version = "dmm " DMM_VERSION;
	argp_err_exit_status = EXIT_USAGE;

	if (argc < 2)
		return help(stderr);
	if (strcmp(argv[1], "help") == 0 && argc > 2)
		return lab_finish(help_on(argv[2]));
	if (asks_for_help(argv[1]))
		return lab_finish(help(stdout));
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		puts(argp_program_version);
		return lab_finish(EXIT_FINE);
	}
	return lab_finish(run(find(argv[1]), argc - 1, argv + 1));
}
