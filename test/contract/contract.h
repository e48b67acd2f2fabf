/* contract.h - what every system must do, whatever its design: CONTRACT(name_is_a_sentence, needs).
 *
 * Each case runs on a fresh heap of every system, on os_arena and on os_linux, both behind
 * os_fault. `needs` are the traits that a case is about; a system without them skips it, and says
 * so.
 */
#ifndef TEST_CONTRACT_CONTRACT_H
#define TEST_CONTRACT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "torture/shadow.h"
#include "torture/test_os.h"

enum ground_kind { ON_ARENA, ON_LINUX, GROUNDS };

/* Where a case runs. */
struct ground {
	const struct dmm_system *sys;
	const struct dmm_params *params; /* NULL: the defaults */
	enum ground_kind kind;
	struct stage stage;
	struct heap *heap;
	struct shadow shadow; /* of that heap */
	struct heap heap_room;
	bool staged, opened;
};

struct contract {
	const char *name;
	uint32_t needs; /* enum dmm_trait, all of them */
	uint32_t not;   /* enum dmm_trait, none of them */
	void (*run)(struct ground *g);
};

void contract_register(const struct contract *c);

#define CONTRACT_EXCEPT(name_, needs_, not_)                                                       \
	static void name_(struct ground *g);                                                       \
	__attribute__((constructor)) static void register_##name_(void)                            \
	{                                                                                          \
		static const struct contract c = {#name_, needs_, not_, name_};                    \
		contract_register(&c);                                                             \
	}                                                                                          \
	static void name_(struct ground *g)
#define CONTRACT(name, needs) CONTRACT_EXCEPT(name, needs, 0)

/* The fault in the shadow (or the checker) as a failed test, with the place in the case. */
void contract_sound(struct ground *g, bool sound, const char *file, int line);
#define SOUND(operation) contract_sound(g, operation, __FILE__, __LINE__)

/* The checker, the walk, the sum of all bytes, every object's contents, every stranger's. */
#define ALL_SOUND() contract_all_sound(g, __FILE__, __LINE__)
void contract_all_sound(struct ground *g, const char *file, int line);

/* Begin with a stage and a heap; a case may close and open again. */
void ground_open(struct ground *g);
/* Everything freed, closed; and nothing kept, where the os can tell. */
void ground_close(struct ground *g);

#endif
