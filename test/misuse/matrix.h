/* matrix.h - one cell of the misuse matrix: a scene, one mistake, and the answer of a good malloc.
 *
 * cells.py writes the cells; matrix.c runs each in a process of its own:
 *
 *   scene    may run in a thread of its own, which has ended (`ended`) or still sleeps (`other`)
 *   mistake  the one call that breaks the contract
 *   then one more allocator call: later than that no always-on check may speak
 *   then the aftermath: is what was live before still whole, does anything new overlap it?
 */
#ifndef TRUST_MATRIX_H
#define TRUST_MATRIX_H

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { WITNESSES = 12, WANTS = 2 };

struct cell {
	const char *name;    /* operation/pointer/size/thread */
	const char *group;   /* row of the published table */
	/* of slab by default, of its hardened preset; see matrix.c, expects() */
	const char *want[WANTS];
	const char *thread;  /* same, other, ended */
	size_t n;
	void (*scene)(void);
	void (*mistake)(void);
	const char *known[WANTS]; /* why it fails today; NULL: it must not */
};

extern const struct cell cells[];
extern const size_t cell_count;

/* ---- what cells are written in --------------------------------------------------------------- */

/* The cell's pointers; `bad` is the one that the mistake is made with. */
extern char *p, *q, *bad;
/* The size of p according to the malloc, for the line that names it. */
extern size_t usable;
/* Live neighbours of the object, of the same size and of other sizes. */
void witnesses(size_t n);
/* A slot after p without a witness: it was never given out. */
char *never_issued(void);
/* Run f in another thread, which has ended when this returns. */
void elsewhere(void (*f)(void));
/* Allocate and free much of other sizes. */
void churn(size_t n);
/* The cell cannot be set up on this malloc: for instance, realloc did not move. */
_Noreturn void not_applicable(void);
/* The result of a request that must be refused: exits with the answer. */
_Noreturn void answer(int refused);
/* The malloc did not notice the fault; the bytes that the cell read show the harm, or that there is
 * none. */
_Noreturn void harm(int harmed);
/* Pointers of which no malloc has ever heard. */
char *on_stack(void);
char *mapped(void);
extern char global[4096];
/* A pointer the compiler knows nothing of. */
void *hide(const void *any);

/* C23; not in every C library */
extern __attribute__((weak)) void free_sized(void *object, size_t n);
extern __attribute__((weak)) void free_aligned_sized(void *object, size_t align, size_t n);
/* operator delete, operator delete(void *, std::size_t): when a C++ library is there */
extern __attribute__((weak)) void _ZdlPv(void *object);
extern __attribute__((weak)) void _ZdlPvm(void *object, size_t n);

#endif
