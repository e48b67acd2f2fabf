/* test_os.h - the operating system below a tested heap: it counts calls, fails on order, and
 * maps as others do.
 *
 *   heap -> os_fault -> os_arena (or os_linux)
 *                          ^
 *              strangers who move the break, and whose bytes must stay as they are
 */
#ifndef LAB_TORTURE_TEST_OS_H
#define LAB_TORTURE_TEST_OS_H

#include "os/os.h"

enum { STAGE_STRANGERS = 64 };

struct stage {
	struct os_arena arena; /* unused on os_linux */
	struct os_fault fault;
	const struct dmm_os *below;
	const struct dmm_os *os; /* for the heap */
	struct {
		unsigned char *p;
		size_t len;
	} strangers[STAGE_STRANGERS];
	size_t stranger_count, stranger_bytes;
};

/* On arena number `slot`, with 64 GiB of each kind of memory; 0 or -errno. */
int stage_open_arena(struct stage *s, unsigned slot);
void stage_open_linux(struct stage *s);
/* os_linux itself: for systems that are called by several threads at once. */
void stage_open_bare(struct stage *s);
void stage_close(struct stage *s);

/* Bytes that the heap holds now; SIZE_MAX: not known (bare, or on
 * os_linux with address space reserved). */
size_t stage_owned(const struct stage *s);
/* The same without address space that was reserved and cannot be touched; 0: not known. */
size_t stage_usable(const struct stage *s);

/* Somebody else takes `len` bytes at the break, if it moves and fewer than STAGE_STRANGERS came. */
void stage_stranger(struct stage *s, size_t len);
/* The first byte of a stranger's that was overwritten, or NULL. */
const void *stage_strangers_hurt(const struct stage *s);

#endif
