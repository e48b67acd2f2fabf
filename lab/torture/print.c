/* print.c - the runs of dmm torture, a line each, and how a run that failed is made again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/pairwise.h"
#include "allocators/registry.h"
#include "cli/lab.h"
#include "cli/screen.h"
#include "cli/units.h"
#include "system/policy/params.h"
#include "torture/torture.h"

enum { NAME = 10 }; /* columns before the words of a run */

/* A run as it was asked for. */
struct torture_job {
	struct torture t;
	const char *word, *conf; /* conf: "" for the defaults */
	const struct torture_order *order;
};

/* The command that does exactly this again, up to the last operation done. */
static void reproduce(const struct torture_job *j, uint64_t ops)
{
	char threads[24] = "";

	if (j->t.threads > 1) /* operations are counted across threads: no prefix is the same run */
		snprintf(threads, sizeof threads, " --threads=%u", j->t.threads);
	lab_next(NULL, "dmm torture --system=%s --seed=%" PRIu64 " --ops=%" PRIu64 "%s%s%s%s",
	    lab_quoted(j->word), j->t.seed, j->t.threads > 1 ? j->t.ops : ops, threads,
	    j->t.on_linux ? " --os=linux" : "",
	    j->conf[0] != '\0' ? " --conf=" : "",
	    j->conf[0] != '\0' ? lab_quoted(j->conf) : "");
}

static void complain(const struct torture_job *j, const struct torture_result *r)
{
	switch (r->end) {
	case TORTURE_BROKE:
		lab_say("%s: broken rule '%s' at %#" PRIxPTR ": found %#" PRIx64 ", expected "
		    "%#" PRIx64
			" (operation %" PRIu64 ", seed %" PRIu64 ")",
		    j->word, r->rule, r->why.addr, r->why.found, r->why.wanted, r->ops, j->t.seed);
		break;
	case TORTURE_DIED:
		lab_say("%s: died by signal %d (%s) in %soperation %" PRIu64 ", seed %" PRIu64,
		    j->word, r->signal, strsignal(r->signal),
		    r->inside ? "check() or walk() after " : "", r->ops, j->t.seed);
		break;
	case TORTURE_EXITED:
		lab_say("%s: ends the program in operation %" PRIu64 ", seed %" PRIu64, j->word,
		    r->ops, j->t.seed);
		break;
	case TORTURE_HANGS:
		lab_say("%s: hangs in %soperation %" PRIu64 ", seed %" PRIu64, j->word,
		    r->inside ? "check() or walk() after " : "", r->ops, j->t.seed);
		break;
	default:
		lab_say("%s: cannot begin: %s", j->word, strerror((int)r->why.found));
	}
	reproduce(j, r->ops);
}

static int torture_one(const struct torture_job *j)
{
	const struct torture_result r = torture_run(&j->t);
	char bytes[UNITS_LEN + 8] = "", usable[UNITS_LEN];

	if (r.peak_usable != 0) /* refusals in a design's own threads are not counted */
		snprintf(bytes, sizeof bytes, " of %s", units_bytes(usable, (double)r.peak_usable));
	if (r.end == TORTURE_FINE) {
		printf("%-8s  ", j->word);
		screen_words(stdout, NAME,
		    "sound: %" PRIu64 " operations of %u thread%s, %" PRIu64 " checks, %" PRIu64
		    " refused, at most %zu objects%s live, seed %" PRIu64 "%s%s",
		    r.ops, j->t.threads, j->t.threads == 1 ? "" : "s", r.checks, r.refused,
		    r.peak_live, bytes, j->t.seed, j->conf[0] != '\0' ? ", " : "", j->conf);
	} else {
		complain(j, &r);
	}
	if (r.end != TORTURE_FINE && r.end != TORTURE_CANNOT && j->t.script != NULL)
		j->order->failed(j->order, &(struct torture_failure){&j->t, &r, j->word, j->conf});
	fflush(stdout);
	return r.end == TORTURE_FINE ? EXIT_FINE : r.end == TORTURE_CANNOT ? EXIT_OURS : EXIT_FAULT;
}

static int torture_conf(const struct torture_order *r, const struct dmm_system *sys,
    const char *word, const char *conf)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;
	struct torture_job j = {.t = r->t, .word = word, .conf = conf, .order = r};

	if (conf[0] != '\0' && !params_parse(&params, sys, conf, &e))
		lab_die(EXIT_USAGE, "--conf: %s", e.text);
	j.t.sys = sys;
	j.t.params = &params;
	/* With threads, no sequence of calls fails each time. */
	if (j.t.threads == 1 && r->failed != NULL)
		j.t.script = script_open();
	const int end = torture_one(&j);
	script_close(j.t.script);
	return end;
}

/* Every pair that can be together; says how many. */
static int torture_pairs(const struct torture_order *r, const struct dmm_system *sys,
    const char *word)
{
	struct pairwise p;
	size_t runs = 0;
	int worst = EXIT_FINE;

	for (pairwise_begin(&p, sys); pairwise_next(&p); runs++) {
		const int end = torture_conf(r, sys, word, p.conf);
		worst = end > worst ? end : worst;
	}
	printf("%-8s  %zu pairs of values, %zu more cannot be together\n", word, runs, p.refused);
	return worst;
}

static int torture_system(const struct torture_order *r, const struct dmm_system *sys,
    const char *word)
{
	if (r->pairwise)
		return torture_pairs(r, sys, word);
	return torture_conf(r, sys, word, r->conf != NULL ? r->conf : "");
}

int torture_print(const struct torture_order *r)
{
	int worst = EXIT_FINE;

	if (r->word != NULL && strcmp(r->word, "all") != 0)
		return torture_system(r, registry_choose(r->word), r->word);
	for (const struct dmm_system *const *s = registry_systems(); *s != NULL; s++) {
		const int end = torture_system(r, *s, (*s)->name);
		worst = end > worst ? end : worst;
	}
	return worst;
}
