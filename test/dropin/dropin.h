/* dropin.h - tests that run on a preloaded malloc: TEST(name_is_a_sentence) { ... }.
 *
 *   LD_PRELOAD=build/libdmm-list.so build/test/dropin_contract list [WORD]
 *
 * Every test runs in a child of its own, so that a system that never frees starts afresh and a
 * crash is one failure; the harness itself allocates nothing.  The name is compared with that of
 * the loaded system: a malloc that was not preloaded fails.  `slab` has no table, but its root.
 * The name `-` stands for any malloc, glibc's for instance, to see that the tests ask for no more
 * than the standard does.
 */
#ifndef DROPIN_DROPIN_H
#define DROPIN_DROPIN_H

#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "dmm_system.h"

#define TEST(name)                                                                                 \
	static void name(void);                                                                    \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		test_register(#name, name);                                                        \
	}                                                                                          \
	static void name(void)

#define EXPECT(cond)                                                                               \
	do {                                                                                       \
		if (!(cond))                                                                       \
			test_failed(#cond, __FILE__, __LINE__);                                    \
	} while (0)

enum { SKIPPED = 77 }; /* exit status of a test that cannot run here */

#ifdef __cplusplus
extern "C" {
#endif

void test_register(const char *name, void (*run)(void));
__attribute__((noreturn)) void test_failed(const char *cond, const char *file, int line);

/* Of the system under test; DMM_FREES and the like. */
extern uint32_t traits;
/* Every call is a system call and a page fault: do less. */
extern bool is_vm;
/* It is `-`: no more than the standards is asked. */
extern bool any_malloc;

/* The same bytes for the same seed: contents that can be recognised after a move. */
void fill(void *p, size_t n, unsigned seed);
int is_filled(const void *p, size_t n, unsigned seed);

/* From now on the process gets no more than so much: of address space or, if it has more already
 * because its malloc reserved some, of memory that it may write to. */
void limit_memory(size_t bytes);

/* musl refuses to move the break, keeps its locks to itself, and the shell of this machine may be
 * linked with another C library. */
void skip_on_musl(void);

#ifdef __cplusplus
}
#endif

#endif
