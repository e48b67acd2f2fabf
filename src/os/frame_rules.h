/* frame_rules.h - where a function keeps what its caller needs, at any of its instructions:
 * read from the tables that every module brings for C++'s exceptions (DWARF's call frame
 * information, .eh_frame).
 *
 * Nothing is allocated or locked: usable inside malloc and in a signal handler.
 */
#ifndef OS_FRAME_RULES_H
#define OS_FRAME_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* DWARF's numbers of the registers that matter. */
#if defined(__x86_64__)
enum { REG_FP = 6, REG_SP = 7, REG_RA = 16 };
#else
enum { REG_FP = 29, REG_SP = 31, REG_RA = 30 };
#endif

enum frame_rule {
	RULE_SAME,      /* still in its register */
	RULE_AT_OFFSET, /* saved so far from the frame's address */
	RULE_UNDEFINED, /* the return address is undefined: the outermost frame */
	RULE_UNKNOWN,
};

struct rule_of {
	enum frame_rule rule;
	int64_t offset;
};

/* The frame's address is that of the caller's stack pointer: base register plus offset. */
struct frame_rules {
	struct rule_of fp, ra;
	uint64_t base;
	int64_t offset;
	bool known; /* by base and offset */
};

/* False: no table tells. */
bool frame_rules_at(uintptr_t pc, struct frame_rules *out);

struct module {
	uintptr_t start, end;
	const uint8_t *table; /* .eh_frame_hdr */
};

bool module_of(uintptr_t pc, struct module *m);
/* Its file, and what the loader added to the file's addresses.  False: no loader knows it. */
bool module_file(uintptr_t pc, const char **path, uintptr_t *bias);
/* The program itself, as the kernel tells it: all there is where nothing is loaded. */
bool module_of_program(struct module *m);

#endif
