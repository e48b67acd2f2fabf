/* segv.h - a callback for the access that is about to end the program; the program's own handler
 * comes first.
 *
 *   the program has a handler for SIGSEGV already      ours is not put in
 *   it is Java's                                       ours is not put in
 *   it puts one in later                               ours is gone, or what it chains to
 *   ours is called                                     `seen` is told; then the default action, and
 *                                                      the access again: the end and the core are
 *                                                      what they were
 */
#ifndef OS_SEGV_H
#define OS_SEGV_H

#include <stdbool.h>

#include "os/callers.h"

enum access { ACCESS, ACCESS_READ, ACCESS_WRITE }; /* the first: the processor does not tell */

struct segv {
	const void *address;
	enum access access;
	struct frame at; /* the instruction */
};

/* seen: async-signal-safe; called once for each access that the kernel refused.  False: not now,
 * ask again; true: whether ours is in or not, there is nothing more to do. */
bool segv_watch(void (*seen)(const struct segv *));

/* The thread id of the calling thread, as the kernel, ps and gdb show it. */
unsigned thread_number(void);

#endif
