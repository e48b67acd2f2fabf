/* fuzz_ops.c - libFuzzer over operation streams: the bytes are the program, the shadow is the judge.
 *
 * Three bytes an operation: what, and two of detail.  DMM_FUZZ_SYSTEM names the system.  The checker
 * and the walk run after every operation, so that the input which breaks a rule ends with the operation
 * that broke it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "registry.h"
#include "shadow.h"
#include "stage.h"

enum { OPERATIONS_MAX = 300, LIVE_MAX = 256 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct dmm_system *sys;
static uint64_t operations;

static void report(void)
{
	fprintf(stderr, "fuzz: %s: %" PRIu64 " operations without a broken rule\n", sys->name, operations);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *const word = getenv("DMM_FUZZ_SYSTEM");
	(void)argc, (void)argv;
	sys = registry_choose(word != NULL ? word : "list");
	atexit(report);
	return 0;
}

static bool operate(struct stage *stage, struct shadow *s, const uint8_t op[3])
{
	const size_t n = (size_t)op[2] << op[1] % 12, i = s->count == 0 ? 0 : op[2] % s->count;

	stage->fault.fail_at = (op[0] & 0xf0) == 0xf0 ? stage->fault.calls + 1 : 0;
	switch (op[0] % 8) {
	case 0:
		return shadow_calloc(s, op[1] % 16, op[2]);
	case 1:
		return shadow_aligned(s, (size_t)1 << op[1] % 14, op[2]);
	case 2:
	case 3:
		return shadow_malloc(s, n);
	case 4:
		return s->count == 0 || shadow_realloc(s, i, 1 + ((size_t)op[2] << op[1] % 10));
	case 5:
		if (op[1] < 16)
			stage_stranger(stage, 16 * (1 + (size_t)op[2]));
		return true;
	default:
		return s->count == 0 || shadow_free(s, i);
	}
}

static bool survives(struct stage *stage, struct shadow *s, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at + 3 <= len && at < 3 * OPERATIONS_MAX; at += 3, operations++)
		if (!operate(stage, s, data + at) || !shadow_check(s, stage_owned(stage)))
			return false;
	stage->fault.fail_at = 0;
	return shadow_contents(s) && shadow_free_all(s) && shadow_check(s, stage_owned(stage)) &&
	    stage_strangers_hurt(stage) == NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct stage stage;
	struct heap heap;
	struct shadow s;

	if (stage_open_arena(&stage, 0) != 0 || heap_open(&heap, sys, NULL, stage.os) != 0 ||
	    !shadow_open(&s, &heap, LIVE_MAX))
		abort();
	if (!survives(&stage, &s, data, len)) {
		fprintf(stderr, "fuzz: %s: broken rule '%s' at %#" PRIxPTR ": found %#" PRIx64 ", wanted %#" PRIx64
			"\n", sys->name, s.why.rule != NULL ? s.why.rule : "S9 strangers", s.why.addr,
		    s.why.found, s.why.wanted);
		abort();
	}
	heap_close(&heap);
	shadow_close(&s);
	stage_close(&stage);
	return 0;
}
