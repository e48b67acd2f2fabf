/* script.h - operations written down, so that they can be made again, and fewer of them.
 *
 * A step names its object by a number that it keeps from malloc to free, so that steps can be left
 * out: a step whose object does not exist does nothing.
 */
#ifndef LAB_TORTURE_SCRIPT_H
#define LAB_TORTURE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_op {
	SCRIPT_MALLOC,   /* n */
	SCRIPT_CALLOC,   /* extra times n */
	SCRIPT_ALIGNED,  /* n, to 2^extra */
	SCRIPT_REALLOC,  /* n */
	SCRIPT_FREE,
	SCRIPT_STRANGER, /* code outside of the heap moves the break by n */
	SCRIPT_TRIM,
};

struct script_step {
	uint8_t op;    /* enum script_op */
	bool refuse;   /* the system refuses the next request */
	uint32_t name; /* of the object; 0: none */
	uint32_t extra;
	uint64_t n;    /* bytes */
};

/* Lies in memory that a child shares with its parent: what the child did last is in it even if the
 * child died of it. */
struct script {
	size_t count, cap;
	bool cut; /* more was done than there was room for */
	struct script_step step[];
};

/* Room for the steps of the longest epoch; NULL: no memory. */
struct script *script_open(void);
void script_close(struct script *s);
void script_add(struct script *s, struct script_step step);
void script_clear(struct script *s);

#endif
