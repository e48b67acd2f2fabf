/* random_ops.h - what random_ops.c (the run) and random_ops_thread.c (one thread's operations)
 * share. */
#ifndef TEST_STRESS_RANDOM_OPS_H
#define TEST_STRESS_RANDOM_OPS_H

#include <stdatomic.h>

#include "base/rng.h"
#include "os/os.h"
#include "ram_os.h"
#include "system/heap.h"

enum {
	RAPID_THREADS_MAX = 64,
	SLOTS = 4096,       /* live objects of a thread, at most */
	CHECK_EVERY = 8192, /* operations, of one thread */
	ROUND_OPS = 65536,  /* of each of many */
	EPOCH_ROUNDS = 64,
	EPOCH_BYTES = 8 << 20, /* where nothing is ever freed */
};

struct object {
	char *p;
	size_t n, usable;
	uint64_t tag;
};

struct worker {
	struct rng rng;
	struct object objects[SLOTS];
	size_t count, target;
	uint64_t left, phase_left;
	_Atomic uint64_t done;
	uint64_t refused;
	unsigned sizes;
	size_t few[4];
	bool refusals;
};

struct run {
	const struct dmm_system *sys;
	struct heap heap;
	struct ram_os ram;
	struct os_fault fault;
	uint64_t ops, seed, checks;
	unsigned threads;
	const char *ledger;
	struct worker workers[RAPID_THREADS_MAX];
};
extern struct run run;

bool rapid_open(void);
void *rapid_work(void *worker); /* .left operations */
void rapid_free_all(void);
uint64_t rapid_done(void), rapid_refused(void);
size_t rapid_live(void);
void rapid_check_heap(void);
_Noreturn void rapid_broken(const char *rule, const void *at, uint64_t found, uint64_t wanted);

#endif
