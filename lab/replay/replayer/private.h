/* private.h - between the pieces of dmm-replayer, which runs under the allocator measured. */
#ifndef LAB_REPLAY_REPLAYER_PRIVATE_H
#define LAB_REPLAY_REPLAYER_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "replay/ops.h"
#include "replay/replayer/replayer.h"

/* An object. */
struct object {
	void *p;
	uint64_t size;
	_Atomic uint32_t turn;    /* how often it went from thread to thread */
	_Atomic uint32_t waiting; /* a thread sleeps until the next time */
};

struct replay {
	struct replay_ops ops;
	struct replay_result *result;
	enum replay_mode mode;
	enum replay_touch touch;
	struct object *object;
	uint64_t own_bytes;
	uint64_t clock_cost; /* ticks between two readings of the clock */
};
extern struct replay replay; /* in self.c */

/* ---- calls (replayer/call.c) ----------------------------------------------------------------- */

/* Find the names that an allocator may or may not have: C++ operators, sized frees. */
void calls_find(void);
/* Returns the object's new address.  Only op->op of allocations and reallocs. */
void *call_alloc(const struct replay_op *op, void *old);
void call_free(const struct replay_op *op, void *p, size_t size);

/* ---- the run (replayer/run.c) ---------------------------------------------------------------- */

void run_prepare(void);
void run_all(void);
/* Note what is live and what is resident after `at` calls. */
void run_sample(uint64_t at);

/* ---- the recording's clock (replayer/pace.c) ------------------------------------------------- */

void pace_begin(void);
/* Wait until this time of the recording has come; any thread. */
void pace_reach(uint64_t ns);
/* Wait for the end of the recording, and tell what memory was: by the last thread. */
void pace_end(void);

/* ---- this process (replayer/self.c) ---------------------------------------------------------- */

/* Zeroed and touched, or the end. */
void *self_map(size_t len);
__attribute__((noreturn)) void self_die(const char *what);
/* Resident bytes that are not a file's; exact, by walking the page tables. */
uint64_t self_private_bytes(void);
/* The same without the replayer's own. */
uint64_t self_heap_bytes(void);
void self_start(void); /* begin to measure */
void self_stop(void);
/* payload, usable: bytes asked for and given that are live now, by all threads. */
void self_sample(uint64_t at, uint64_t payload, uint64_t usable);
/* The most memory that glibc obtained, if the malloc is glibc's. */
void self_ask_glibc(void);

#endif
