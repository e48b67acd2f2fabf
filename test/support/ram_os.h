/* ram_os.h - an operating system without system calls: all of it is mapped beforehand, so that a
 * heap on it is tested at the speed of memory.
 *
 *   | heap section | mappings: bumped; unmapped: zeroed, reused by length | ... | window |
 *
 * Not thread-safe for a heap that is (it then stands on os_linux).  Nothing faults that should not
 * be touched.
 */
#ifndef TEST_FUZZ_RAM_OS_H
#define TEST_FUZZ_RAM_OS_H

#include "dmm_system.h"

enum { RAM_LENGTHS = 4096 }; /* pages: longer mappings are not reused */

struct ram_os {
	struct dmm_os os;
	char *base, *brk, *heap_end, *top, *end;
	/* Named by window(), where map_at() maps; NULL: there is none. */
	char *window, *window_top, *window_end;
	size_t owned;
	void *gone[RAM_LENGTHS]; /* unmapped, by length; linked through their first word */
};

/* 0 or -errno. */
int ram_os_open(struct ram_os *r);
/* All is unmapped and reads as zero again. */
void ram_os_reset(struct ram_os *r);

#endif
