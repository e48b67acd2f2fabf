/* command.c - dmm compare: checks the order, compares, prints, and suggests the next command. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "compare/compare.h"

enum { ARGS_MAX = 256 /* words of a command that are repeated in messages */ };

static void check_request(const struct compare_order *r)
{
	if (r->c.command == NULL)
		lab_die(EXIT_USAGE, "no program is given: dmm compare -- PROGRAM ARG...");
	if (r->server && r->c.drive == NULL)
		lab_die(EXIT_USAGE, "--server needs --drive=CMD, the command that drives it");
	if (!r->server && r->c.drive != NULL)
		lab_die(EXIT_USAGE, "--drive is for a server: add --server");

	char *const path = launch_path(r->c.command[0]);
	if (path == NULL)
		lab_die(errno == EACCES ? EXIT_NOT_EXECUTABLE : EXIT_NOT_FOUND, "%s: %s",
		    r->c.command[0], errno == EACCES ? "not executable" : "command not found");
	const char *const base = strrchr(path, '/');
	if (base != NULL && strncmp(base + 1, "valgrind", 8) == 0)
		lab_die(EXIT_OURS,
		    "valgrind has its own malloc, so no allocator can be compared under it");
	free(path);
}

/* A preloaded library of the user's would be in every row, and could be an allocator itself. */
static void clear_environment(void)
{
	const char *const preload = getenv("LD_PRELOAD");

	if (preload == NULL || preload[0] == '\0')
		return;
	if (strstr(preload, "vgpreload") != NULL)
		lab_say("valgrind runs this command: the programs that it starts are not under it");
	else
		lab_say("dmm compare leaves LD_PRELOAD=%s out of all runs", preload);
	unsetenv("LD_PRELOAD");
}

static void list_allocators(struct compare_order *r)
{
	struct allocators *const list = &r->c.allocators;

	allocators_add_baselines(list);
	if (r->systems_lists == 0)
		allocators_add_systems(list, "all");
	for (size_t i = 0; i < r->systems_lists; i++)
		allocators_add_systems(list, r->systems[i]);
	if (r->peers_lists == 0)
		allocators_add_peers(list, "auto");
	for (size_t i = 0; i < r->peers_lists; i++)
		allocators_add_peers(list, r->peers[i]);
}

/* The same comparison again, with other options. */
static void tell_again(const struct compare *c, const char *options_text)
{
	char *drive = NULL;
	char *words[ARGS_MAX + 4] = {NULL};
	size_t n = 0;

	if (c->drive != NULL && asprintf(&drive, "--drive=%s", c->drive) >= 0) {
		words[n++] = (char *)"--server";
		words[n++] = drive;
	}
	words[n++] = (char *)"--";
	for (size_t i = 0; i < ARGS_MAX && c->command[i] != NULL; i++)
		words[n++] = c->command[i];
	lab_next(words, "dmm compare %s", options_text);
	free(drive);
}

/* Advice on the next step: run on the best allocator, or look at the failed runs. */
static void tell_next(const struct compare *c)
{
	const struct row *const best = verdict_best(c, c->huge_pages == HUGE_OFF);

	if (compare_blame(c))
		return;
	for (size_t i = 0; i < c->rows; i++) {
		const struct row *const row = &c->row[i];
		if (row->outcome == OUTCOME_CRASHED && row->allocator->path != NULL) {
			lab_say("%s: it crashed; a run of it alone shows its last words",
			    row->allocator->name);
			lab_next(c->command, "dmm run --lib=%s --",
			    lab_quoted(row->allocator->path));
			return;
		}
	}
	if (c->row[c->rows - 1].proof.whole_program)
		lab_next(NULL, "dmm compare -- PROGRAM ARG...");
	else if (best == NULL)
		tell_again(c, "--runs=6");
	else if (best->allocator->kind == KIND_BASELINE)
		tell_again(c, "--thp=both --runs=12");
	else if (best->allocator->kind == KIND_SYSTEM && !best->allocator->own_path)
		lab_next(c->command, "dmm run --system=%s --stats --", best->allocator->name);
	else
		lab_next(c->command, "dmm run --lib=%s --stats --",
		    lab_quoted(best->allocator->path));
}

static void print(const struct compare_order *r)
{
	switch (r->format) {
	case FORMAT_TEXT:
		compare_text(&r->c, stdout);
		break;
	case FORMAT_JSON:
		compare_json(&r->c, stdout);
		break;
	case FORMAT_CSV:
		compare_csv(&r->c, stdout);
	}
}

void compare_list(struct compare_order *r)
{
	list_allocators(r);
	check_request(r);
}

int compare_print(struct compare_order *r)
{
	clear_environment();
	compare_run(&r->c);
	print(r);
	fflush(stdout);
	if (r->page != NULL)
		r->page(&r->c, r->report);
	tell_next(&r->c);
	if (verdict_has_fault(&r->c))
		return EXIT_FAULT;
	return measure_interrupted() ? EXIT_INTERRUPTED : EXIT_FINE;
}
