/* contract.c - runs every case of the contract for one system, on simulated and on real memory, as
 * cmocka tests.
 *
 *      contract --system=NAME [--case=WORD] [--conf=KEY:VALUE,..]
 *      contract --system=NAME [--case=WORD] --pairwise     all pairs of values of settings
 */
#include "contract.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "allocators/pairwise.h"
#include "allocators/registry.h"
#include "system/policy/params.h"
#include "test.h"

enum { CASES_MAX = 128, SHADOWED = 40000 };

static const struct contract *cases[CASES_MAX];
static size_t case_count;

void contract_register(const struct contract *c)
{
	if (case_count == CASES_MAX)
		abort();
	cases[case_count++] = c;
}

/* ---- one case on one ground */

struct instance {
	struct ground ground;
	const struct contract *contract;
	char name[160];
};

void contract_sound(struct ground *g, bool sound, const char *file, int line)
{
	if (sound)
		return;
	const struct dmm_fault *const why = &g->shadow.why;
	print_error("broken rule '%s' at %#" PRIxPTR ": found %#" PRIx64 ", wanted %#" PRIx64 "\n",
	    why->rule, why->addr, why->found, why->wanted);
	_fail(file, line);
}

void contract_all_sound(struct ground *g, const char *file, int line)
{
	const unsigned char *const hurt = stage_strangers_hurt(&g->stage);

	contract_sound(g, shadow_check(&g->shadow, stage_owned(&g->stage)), file, line);
	contract_sound(g, shadow_contents(&g->shadow), file, line);
	if (hurt == NULL)
		return;
	g->shadow.why = (struct dmm_fault){"S9 strangers", (uintptr_t)hurt, *hurt, 0};
	contract_sound(g, false, file, line);
}

void ground_open(struct ground *g)
{
	if (!g->staged) {
		if (g->kind == ON_LINUX)
			stage_open_linux(&g->stage);
		else
			assert_int_equal(stage_open_arena(&g->stage, 0), 0);
		g->staged = true;
	}
	g->heap = &g->heap_room;
	assert_int_equal(heap_open(g->heap, g->sys, g->params, g->stage.os), 0);
	assert_true(shadow_open(&g->shadow, g->heap, SHADOWED));
	g->opened = true;
}

void ground_close(struct ground *g)
{
	SOUND(shadow_free_all(&g->shadow));
	ALL_SOUND();
	heap_close(g->heap);
	shadow_close(&g->shadow);
	g->opened = false;
	if (g->kind == ON_ARENA && g->stage.stranger_count == 0 &&
	    !(g->sys->traits & DMM_SINGLETON))
		assert_int_equal(stage_owned(&g->stage), 0);
}

static int end_instance(void **state)
{
	struct ground *const g = &((struct instance *)*state)->ground;
	if (g->opened) { /* the case failed; another heap of this system must still be possible */
		shadow_close(&g->shadow);
		if (g->sys->traits & DMM_SINGLETON)
			heap_close(g->heap);
	}
	if (g->staged)
		stage_close(&g->stage);
	g->opened = g->staged = false;
	return 0;
}

static const char *trait_name(uint32_t traits)
{
	static const char *const names[] = {"FREES", "COALESCES", "THREADS", "INBAND", "USES_BRK",
	    "USES_MAP", "RETURNS", "SEES_DOUBLE_FREE", "SEES_FOREIGN", "ZERO_IS_NULL", "SINGLETON"};
	return names[__builtin_ctz(traits)];
}

static void run_instance(void **state)
{
	struct instance *const i = *state;
	const uint32_t lacks = i->contract->needs & ~i->ground.sys->traits;
	const uint32_t has = i->contract->not & i->ground.sys->traits;

	if (lacks != 0 || has != 0) {
		print_message("%s: skipped: %s is %s%s\n", i->name, i->ground.sys->name,
		    lacks != 0 ? "not " : "", trait_name(lacks != 0 ? lacks : has));
		skip();
	}
	ground_open(&i->ground);
	i->contract->run(&i->ground);
	if (i->ground.opened)
		ground_close(&i->ground);
}

/* ---- all of them */

static int run_all(const struct dmm_system *sys, const struct dmm_params *params, const char *word)
{
	static const char *const grounds[] = {"arena", "linux"};
	static struct CMUnitTest tests[CASES_MAX * GROUNDS];
	static struct instance instances[CASES_MAX * GROUNDS];
	size_t n = 0;

	for (int kind = 0; kind < GROUNDS; kind++)
		for (size_t c = 0; c < case_count; c++) {
			if (strstr(cases[c]->name, word) == NULL)
				continue;
			struct instance *const i = &instances[n];
			*i = (struct instance){
			    .ground = {.sys = sys, .params = params,
			    .kind = (enum ground_kind)kind},
			    .contract = cases[c]};
			snprintf(i->name, sizeof i->name, "%s on %s: %s", sys->name, grounds[kind],
			    cases[c]->name);
			tests[n++] = (struct CMUnitTest){i->name, run_instance, NULL, end_instance,
			    i};
		}
	return n == 0 ? EXIT_USAGE
	              : _cmocka_run_group_tests(sys->name, tests, n, NULL, NULL) != 0;
}

static int run_conf(const struct dmm_system *sys, const char *conf, const char *word)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;

	if (!params_parse(&params, sys, conf, &e))
		lab_die(EXIT_USAGE, "%s: %s", sys->name, e.text);
	const int r = run_all(sys, &params, word);
	if (r != 0)
		fprintf(stderr, "contract: failed with --system=%s --conf=%s\n", sys->name, conf);
	return r;
}

static int run_pairs(const struct dmm_system *sys, const char *word)
{
	static struct covering c;
	int settings = 0, failed = 0;

	for (covering_begin(&c, sys); covering_next(&c); settings++)
		failed |= run_conf(sys, c.conf, word);
	fprintf(stderr, "contract: %s: %d settings, in which every pair of values met\n", sys->name,
	    settings);
	return settings == 0 ? EXIT_USAGE : failed;
}

int main(int argc, char **argv)
{
	static const char usage[] =
	    "usage: contract --system=NAME [--case=WORD] [--conf=KEY:VALUE,.. | --pairwise]";
	const char *system = NULL, *word = "", *conf = "";
	bool pairwise = false;

	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--system=", 9) == 0)
			system = argv[i] + 9;
		else if (strncmp(argv[i], "--case=", 7) == 0)
			word = argv[i] + 7;
		else if (strncmp(argv[i], "--conf=", 7) == 0)
			conf = argv[i] + 7;
		else if (strcmp(argv[i], "--pairwise") == 0)
			pairwise = true;
		else
			lab_die(EXIT_USAGE, "%s", usage);
	}
	if (system == NULL)
		lab_die(EXIT_USAGE, "%s", usage);
	const struct dmm_system *const sys = registry_choose(system);
	return pairwise ? run_pairs(sys, word) : run_conf(sys, conf, word);
}
