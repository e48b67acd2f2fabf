/* program.h - a script as a complete C program that ends with status 1 if the heap still fails. */
#ifndef LAB_LESSON_PROGRAM_H
#define LAB_LESSON_PROGRAM_H

#include <stdio.h>

#include "lesson/rules.h"
#include "torture/play.h"

struct program {
	const struct script_step *step;
	size_t count;
	uint64_t repeat;
	const struct play_result *result;
	const struct rule *rule;
	const char *word;    /* the design as it was asked for */
	const char *library; /* what is preloaded */
	const char *conf;    /* "" for the defaults */
	const char *file;    /* the program's name, for the lines that say how it is run */
};

/* False: a step has no C for it (a request that the system refuses on order), or what is wrong
 * cannot be noticed by a program; nothing is printed. */
bool program_print(FILE *out, const struct program *p);

/* The same for what only the design's check() and walk() see, of a user's own design: the program
 * calls its functions.  False: a step has no such form. */
bool program_print_direct(FILE *out, const struct program *p);

/* The name of an object's variable: a, b, ... z, a1, b1 ... into buf. */
enum { PROGRAM_NAME = 16 };
const char *program_name(char buf[PROGRAM_NAME], const struct script_step *step, size_t count,
    uint32_t name);

/* The call of a step, "b = realloc(b, 100)", into buf. */
enum { PROGRAM_CALL = 120 };
const char *program_call(char buf[PROGRAM_CALL], const struct script_step *step, size_t count,
    size_t k);

#endif
