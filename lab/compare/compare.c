/* compare.c - prove that every allocator is loaded, then run them in turn. */
#include "compare/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/lab.h"
#include "cli/progress.h"
#include "cli/plain.h"
#include "run/prefault.h"

static const double timeout_least_s = 10;
enum { TIMEOUT_TIMES = 20 }; /* glibc's time, unless the user says so */

__attribute__((format(printf, 3, 4))) static void conclude(struct row *row, enum outcome outcome,
    const char *format, ...)
{
	va_list args;

	row->outcome = outcome;
	va_start(args, format);
	vsnprintf(row->why, sizeof row->why, format, args);
	va_end(args);
}

static bool is_out(const struct row *row)
{
	return row->outcome <= OUTCOME_NOT_SERVED || row->outcome == OUTCOME_TOO_SLOW;
}

static struct measure measure_of(const struct compare *c, const struct row *row, int input)
{
	return (struct measure){
	    .program = {.argv = c->command,
	        .allocator = row->allocator,
	        .no_huge_pages = row->no_huge_pages,
	        .input = input},
	    .drive = c->drive,
	    .timeout_s = c->timeout_s,
	    .check_output = c->check_output};
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void add_rows(struct compare *c, bool no_huge_pages)
{
	const size_t base = c->rows;

	for (size_t i = 0; i < c->allocators.count; i++) {
		if (c->rows == ROWS_MAX)
			lab_die(EXIT_USAGE, "more than %d rows to compare", ROWS_MAX);
		struct row *const row = &c->row[c->rows++];
		*row = (struct row){.allocator = &c->allocators.item[i],
		    .no_huge_pages = no_huge_pages,
		    .base = base,
		    .run = calloc(c->runs, sizeof *row->run),
		    .outcome = OUTCOME_FINE};
		CHECK(row->run != NULL);
	}
}

/* A program that is linked with another malloc runs on that malloc, not on glibc's, if nothing is
 * preloaded. */
static void look_for_linked(struct compare *c, int input)
{
	const struct launch l = {
	    .argv = c->command, .allocator = &c->allocators.item[0], .input = input};
	static struct linked linked;

	if (!proof_linked(&l, &linked) || linked.libc[0] == '\0' ||
	    strcmp(linked.malloc_from, linked.libc) == 0)
		return;
	c->linked = linked.malloc_from;
	c->linked_row = allocators_add_linked(&c->allocators, linked.malloc_from, linked.libc);
	lab_say("%s is linked with %s: that is row '%s'; glibc's rows preload %s", c->command[0],
	    c->linked, c->linked_row, linked.libc);
}

/* ---- proof ----------------------------------------------------------------------------------- */

static void prove_row(struct compare *c, struct row *row, int input)
{
	const struct measure m = measure_of(c, row, input);
	const struct allocator *const a = row->allocator;

	if (a->problem[0] != '\0') {
		conclude(row, OUTCOME_NOT_LOADED, "%s", a->problem);
		row->proof.verdict = PROOF_NOT_LOADED;
		return;
	}
	proof_make(&m.program, &row->proof);
	if (row->proof.verdict == PROOF_NOT_LOADED && a->kind != KIND_BASELINE)
		conclude(row, OUTCOME_NOT_LOADED, "%s", row->proof.why);
}

/* One line for each allocator that is not there, or one for all when the program is the reason. */
static void prove(struct compare *c, int input)
{
	bool said = false;

	for (size_t i = 0; i < c->rows && !measure_interrupted(); i++) {
		struct row *const row = &c->row[i];
		prove_row(c, row, input);
		if (row->proof.verdict == PROOF_LOADED)
			continue;
		if (row->proof.whole_program && !said)
			lab_say("%s", row->proof.why);
		else if (!row->proof.whole_program && i < c->allocators.count)
			lab_say("%s: not loaded: %s", row->allocator->name, row->why);
		said |= row->proof.whole_program;
	}
}

/* ---- runs ------------------------------------------------------------------------------------ */

/* Bring the machine's memory into the state in which the run is to find it. */
static void prepare_memory(const struct compare *c)
{
	const double until = launch_now() + c->idle_s;

	warm_memory(warm_bound(c->warm));
	for (double left; !measure_interrupted() && (left = until - launch_now()) > 0;) {
		const time_t whole = (time_t)left;
		const struct timespec pause = {whole, (long)(1e9 * (left - (double)whole))};
		nanosleep(&pause, NULL); /* ^C ends it */
	}
}

static const struct run *reference(const struct compare *c, const struct row *row)
{
	return &c->row[row->base].run[0];
}

/* glibc against itself decides whether output can be compared at all. */
static bool output_is_stable(const struct compare *c, const struct row *row)
{
	const struct row *const twin = &c->row[row->base + 1];
	return twin->rounds == 0 || reference(c, row)->output == twin->run[0].output;
}

static void judge_good_end(struct compare *c, struct row *row, const struct run *run)
{
	const struct run *const wanted = reference(c, row);

	if (row->allocator->path != NULL && run->with == 0 && run->without > 0 &&
	    row->proof.verdict != PROOF_LOADED)
		conclude(row, OUTCOME_NOT_LOADED, "no process of the program had it mapped");
	else if (c->drive != NULL && run->drive_code != 0)
		conclude(row, OUTCOME_NOT_SERVED, "the driver's exit status is %d",
		    run->drive_code);
	else if (run == wanted || c->row[row->base].rounds == 0)
		return;
	else if (run->code != wanted->code)
		conclude(row, OUTCOME_DIFFERS, "exit status %d, glibc's is %d%s%s", run->code,
		    wanted->code, run->last_words[0] != '\0' ? ": " : "", run->last_words);
	else if (run->output != wanted->output && output_is_stable(c, row))
		conclude(row, OUTCOME_DIFFERS, "its output differs from glibc's");
}

static void judge(struct compare *c, struct row *row, const struct run *run)
{
	const char *const words = run->last_words;

	switch (run->ending) {
	case ENDING_EXIT:
		judge_good_end(c, row, run);
		break;
	case ENDING_SIGNAL:
		conclude(row, OUTCOME_CRASHED, "SIG%s%s%s", sigabbrev_np(run->code),
		    words[0] != '\0' ? ": " : "", words);
		break;
	case ENDING_TIMEOUT:
		conclude(row, OUTCOME_TOO_SLOW, "stopped after %g s", c->timeout_s);
		break;
	case ENDING_NOT_STARTED:
		conclude(row, OUTCOME_NOT_SERVED, "not started: %s", strerror(run->code));
		break;
	case ENDING_NO_SERVER:
		conclude(row, OUTCOME_NOT_SERVED, "does not listen%s%s",
		    words[0] != '\0' ? ": " : "", words);
		break;
	case ENDING_INTERRUPTED:
		break;
	}
}

static void measure(struct compare *c, const struct row *row, const struct measure *m,
    struct run *run)
{
	do {
		if (c->before_run != NULL)
			c->before_run(c, row);
		measure_run(m, run);
		if (c->after_run != NULL)
			c->after_run(c, row, run);
	} while (c->again != NULL && !measure_interrupted() && c->again(c, run));
}

static void run_row(struct compare *c, struct row *row, int input)
{
	const struct measure m = measure_of(c, row, input);
	struct run *const run = &row->run[row->rounds];

	prepare_memory(c);
	measure(c, row, &m, run);
	if (measure_interrupted())
		return;
	row->rounds++;
	judge(c, row, run);
}

void compare_run_extra(struct compare *c, struct row *row, struct run *run)
{
	const struct measure m = measure_of(c, row, -1);

	prepare_memory(c);
	measure(c, row, &m, run);
	if (!measure_interrupted())
		judge(c, row, run);
}

/* ---- rounds --------------------------------------------------------------------------------- */

struct done { /* runs */
	size_t done, all;
};

static size_t rows_in(const struct compare *c)
{
	size_t n = 0;
	for (size_t i = 0; i < c->rows; i++)
		n += !is_out(&c->row[i]);
	return n;
}

static void run_round(struct compare *c, size_t round, int input, struct done *d)
{
	for (size_t k = 0; k < c->rows && !measure_interrupted(); k++) {
		struct row *const row = &c->row[(round + k) % c->rows];
		if (is_out(row))
			continue;
		progress_label("round %zu of %zu: %s", round + 1, c->runs, row->allocator->name);
		run_row(c, row, input);
		d->done++;
		d->all = d->done + rows_in(c) * (c->runs - round - 1);
		for (size_t i = k + 1; i < c->rows; i++)
			d->all += !is_out(&c->row[(round + i) % c->rows]);
		progress_share((double)d->done / (double)d->all);
	}
}

/* One run that does not count: files come into the page cache, and it tells what slow means. */
static void rehearse(struct compare *c, int input)
{
	struct measure m = measure_of(c, &c->row[0], input);
	struct run run;

	m.check_output = false;
	measure(c, &c->row[0], &m, &run);
	if (c->timeout_s == 0) {
		c->timeout_s = TIMEOUT_TIMES * run.wall_s;
		if (c->timeout_s < timeout_least_s)
			c->timeout_s = timeout_least_s;
	}
}

static bool has_figures(const struct compare *c)
{
	bool any = false;

	for (size_t i = 0; i < c->rows; i++)
		any = any || c->row[i].rounds != 0;
	return any;
}

void compare_run(struct compare *c)
{
	struct done done = {0};
	const int input = launch_input();

	c->input = input;
	provenance_read(&c->provenance);
	measure_begin();
	look_for_linked(c, input);
	if (c->huge_pages != HUGE_OFF)
		add_rows(c, false);
	if (c->huge_pages != HUGE_AS_IS)
		add_rows(c, true);
	progress_begin("making sure that each allocator is loaded");
	prove(c, input);
	progress_label("rehearsal: %s", c->command[0]);
	rehearse(c, input);
	progress_end();
	progress_begin("round 1 of %zu", c->runs);
	for (size_t round = 0; round < c->runs && !measure_interrupted(); round++)
		run_round(c, round, input, &done);
	progress_end();
	if (measure_interrupted())
		lab_say(has_figures(c) ? "interrupted; the figures are from the runs that had ended"
		                       : "interrupted before a run had ended");
	verdict_digest(c);
}
