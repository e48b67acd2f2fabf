/* bench.c - dmm bench: suites of measurements over the systems. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "cmd/commands.h"
#include "allocators/names.h"
#include "allocators/registry.h"

static const struct bench_suite bench_suites[] = {
    {"lecture", "each claim of the lecture, measured; its summary table", true, bench_lecture},
    {"cos217", "the classical patterns: CPU seconds and footprint", true, bench_cos217},
    {"options", "the appendix's techniques: how much of the footprint is payload", true,
        bench_techniques},
    {"patterns", "programs that allocate, under every allocator", false, bench_patterns},
};

enum { SUITES = sizeof bench_suites / sizeof bench_suites[0], WORDS_MAX = 64 };

struct bench {
	const struct bench_suite *suite;
	struct bench_options options;
	char *words[WORDS_MAX + 1];
	size_t word_count;
};

static void choose_systems(struct bench_options *o, const char *list)
{
	char item[PATH_MAX];

	while (names_next(&list, item)) {
		if (o->system_count == BENCH_SYSTEMS_MAX)
			lab_die(EXIT_USAGE, "--systems: at most %d", BENCH_SYSTEMS_MAX);
		o->systems[o->system_count] = registry_choose(item);
		if (strchr(item, '=') != NULL)
			o->given[o->system_count] = strdup(item); /* until dmm ends */
		item[strcspn(item, "=")] = '\0';
		o->names[o->system_count++] = strdup(item); /* until dmm ends */
	}
}

static const struct bench_suite *choose_suite(const char *name)
{
	const char *names[SUITES + 1] = {0};

	for (size_t i = 0; i < SUITES; i++) {
		names[i] = bench_suites[i].name;
		if (strcmp(name, names[i]) == 0)
			return &bench_suites[i];
	}
	lab_unknown("suite", name, names);
}

enum { OPTION_SUITE = OPTION_OWN, OPTION_SYSTEMS, OPTION_LIST, OPTION_TIMEOUT,
	OPTION_PEERS, OPTION_RUNS };

static const struct argp_option options[] = {
    {"suite", OPTION_SUITE, "SUITE", 0, "lecture, cos217, options or patterns (lecture)", 0},
    {"systems", OPTION_SYSTEMS, "S,..", 0, "The designs to measure, or NAME=PATH.so (all)", 0},
    {"peers", OPTION_PEERS, "auto|none|P,..", 0,
        "patterns: the other allocators, or NAME=PATH.so (auto)", 0},
    {"runs", OPTION_RUNS, "N", 0, "patterns: run each program this often (5)", 0},
    {"list", OPTION_LIST, NULL, 0, "Only list the experiments of the suite", 0},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0, "Stop a single measurement after this time (10)", 0},
    OPTION_FORMAT_LINE,
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bench *const b = state->input;

	switch (key) {
	case OPTION_SUITE:
		b->suite = choose_suite(arg);
		return 0;
	case OPTION_SYSTEMS:
		b->options.systems_text = arg;
		return 0;
	case OPTION_PEERS:
		b->options.peers = arg;
		return 0;
	case OPTION_RUNS:
		b->options.runs = option_count("runs", arg, 1);
		return 0;
	case OPTION_LIST:
		b->options.list = true;
		return 0;
	case OPTION_TIMEOUT:
		b->options.timeout_s = option_seconds("timeout", arg);
		return 0;
	case OPTION_FORMAT:
		b->options.format = option_format(arg);
		return 0;
	case ARGP_KEY_ARG:
		if (b->word_count == WORDS_MAX)
			lab_die(EXIT_USAGE, "bench: too many words");
		b->words[b->word_count++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] =
    "Measure the designs and, in the suite patterns, other allocators.\v"
    "--suite=lecture [EXPERIMENT...]: the lecture's claims, one experiment each.\n"
    "--suite=cos217 [PATTERN [COUNT [SIZE]]]: allocate and free in classical orders.\n"
    "--suite=options [RECORDING...]: the share of payload at the peak, by technique.\n"
    "--suite=patterns [PATTERN...]: churn, rings, bleeding, expiry and so on, as programs.";
static const struct argp argp = {options, parse, "[WORD...]", doc, NULL, NULL, NULL};

static void choose_all(struct bench_options *o)
{
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++) {
		o->systems[o->system_count] = *s;
		o->names[o->system_count++] = (*s)->name;
	}
}

int cmd_bench(int argc, char **argv)
{
	struct bench b = {.suite = &bench_suites[0],
	    .options = {.peers = "auto", .timeout_s = 10, .runs = 5}};

	options_parse(&argp, argc, argv, &b);
	b.options.words = b.words;
	if (b.suite->heaps && b.options.systems_text != NULL)
		choose_systems(&b.options, b.options.systems_text);
	else if (b.suite->heaps)
		choose_all(&b.options);
	return b.suite->run(&b.options);
}
