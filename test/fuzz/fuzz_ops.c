/* fuzz_ops.c - libFuzzer turns bytes into operations on a heap; a shadow heap checks each result.
 *
 * Three bytes an operation: what, and two of detail.  DMM_FUZZ_SYSTEM names the system.  The
 * checker and the walk run after every operation, so that the input which breaks a rule ends with
 * the operation that broke it.
 *
 * An operation may be told to meet one refused call; slab has more of the kind (fuzz_slab.h).
 *
 * On a system with DMM_THREADS two bits of an operation say by which of three threads it is done,
 * one at a time: so the input is the schedule, objects are freed by others than their owners, and
 * threads end and begin where the input says so.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz_slab.h"
#include "allocators/registry.h"
#include "torture/shadow.h"
#include "torture/test_os.h"

enum { OPERATIONS_MAX = 300, LIVE_MAX = 256, HANDS = 3, REPORT_EVERY = 4096 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct dmm_system *sys;
static bool is_slab;
static uint64_t operations;

/* AFL++ ends its targets by a signal: the file that DMM_FUZZ_COUNT names is then all that is
 * left. */
static void count_up(void)
{
	static uint64_t told;
	const char *const path = getenv("DMM_FUZZ_COUNT");

	if (path == NULL || operations - told < REPORT_EVERY)
		return;
	FILE *const f = fopen(path, "a");
	if (f != NULL) {
		fprintf(f, "%" PRIu64 "\n", operations - told);
		fclose(f);
	}
	told = operations;
}

static void report(void)
{
	fprintf(stderr, "fuzz: %s: %" PRIu64 " operations without a broken rule\n", sys->name,
	    operations);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *const word = getenv("DMM_FUZZ_SYSTEM");
	(void)argc, (void)argv;
	sys = registry_choose(word != NULL ? word : "list");
	is_slab = strcmp(sys->name, "slab") == 0;
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
		return !is_slab || op[1] % 64 < 16 || fuzz_slab_operate(stage, s, op[1] % 64,
		    op[2]);
	default:
		return s->count == 0 || shadow_free(s, i);
	}
}

/* ---- threads that do one operation at a time */

static struct hand {
	pthread_t thread;
	sem_t go, done;
	struct stage *stage;
	struct shadow *shadow;
	const uint8_t *op; /* NULL: end */
	bool runs, fine;
} hands[HANDS];

/* The fuzzer's timer interrupts us now and then. */
static void wait_for(sem_t *s)
{
	while (sem_wait(s) != 0 && errno == EINTR)
		;
}

static void *hand_run(void *arg)
{
	struct hand *const h = arg;

	for (;;) {
		wait_for(&h->go);
		if (h->op == NULL)
			return NULL;
		h->fine = operate(h->stage, h->shadow, h->op);
		sem_post(&h->done);
	}
}

static void hand_end(struct hand *h)
{
	if (!h->runs)
		return;
	h->op = NULL;
	sem_post(&h->go);
	pthread_join(h->thread, NULL);
	h->runs = false;
}

/* By the thread that the operation names; the first thread is our own. */
static bool by_hand(struct stage *stage, struct shadow *s, const uint8_t op[3])
{
	const unsigned which = op[1] >> 6;
	struct hand *const h = &hands[which % HANDS];

	if (!(sys->traits & DMM_THREADS) || which == HANDS)
		return operate(stage, s, op);
	if (op[0] == 0x0d) {
		hand_end(h);
		return true;
	}
	if (!h->runs) {
		*h = (struct hand){.runs = true};
		sem_init(&h->go, 0, 0);
		sem_init(&h->done, 0, 0);
		if (pthread_create(&h->thread, NULL, hand_run, h) != 0)
			abort();
	}
	h->stage = stage, h->shadow = s, h->op = op;
	sem_post(&h->go);
	wait_for(&h->done);
	return h->fine;
}

static size_t owned(const struct stage *stage)
{
	return is_slab ? fuzz_slab_owned(stage) : stage_owned(stage);
}

static bool survives(struct stage *stage, struct shadow *s, const uint8_t *data, size_t len)
{
	for (size_t at = 0; at + 3 <= len && at < 3 * OPERATIONS_MAX; at += 3, operations++)
		if (!by_hand(stage, s, data + at) || !shadow_check(s, owned(stage)))
			return false;
	fuzz_slab_calm(stage);
	for (int i = 0; i < HANDS; i++)
		hand_end(&hands[i]);
	if (!shadow_contents(s) || !shadow_free_all(s) || !shadow_check(s, owned(stage)))
		return false;
	s->why = (struct dmm_fault){.rule = "S9 strangers",
	    .addr = (uintptr_t)stage_strangers_hurt(stage)};
	return s->why.addr == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct stage stage;
	struct heap heap;
	struct shadow s;

	if (stage_open_arena(&stage, 0) != 0)
		abort();
	if (is_slab)
		fuzz_slab_begin(&stage, data, len);
	if (heap_open(&heap, sys, NULL, stage.os) != 0 || !shadow_open(&s, &heap, LIVE_MAX))
		abort();
	if (!survives(&stage, &s, data, len)) {
		fprintf(stderr,
		    "fuzz: %s: broken rule '%s' at %#" PRIxPTR ": found %#" PRIx64 ", wanted "
		    "%#" PRIx64
			"\n", sys->name, s.why.rule != NULL ? s.why.rule : "of none", s.why.addr,
		    s.why.found, s.why.wanted);
		abort();
	}
	if (is_slab)
		fuzz_slab_end();
	heap_close(&heap);
	shadow_close(&s);
	stage_close(&stage);
	count_up();
	return 0;
}
