/* callers.h - who called: the return addresses on a stack, without help of the program's build.
 *
 *   pc --> the module's .eh_frame_hdr (a sorted table) --> how this function moved sp and kept fp and the
 *   return address --> the caller's pc, sp, fp --> ...     where a module has none (compiled at run time):
 *   the frame pointer's chain
 *
 * Debian's programs keep no frame pointers, so the tables are what tells.  Nothing is allocated, locked or
 * looked up by name: callers_of() may run inside malloc and in a signal handler.  A page of the stack is
 * asked for before it is read, so a broken stack ends the list and not the program.
 */
#ifndef OS_CALLERS_H
#define OS_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The registers that matter.  link: where a function that calls nobody keeps its return address (aarch64). */
struct frame {
	uintptr_t pc, sp, fp, link;
};

/* The return addresses on the stack of `from`, innermost first, at most cap; how many.  The pc itself is
 * not among them. */
size_t callers_of(struct frame from, const void **out, size_t cap);

/* The same for the caller of this function, without what lies in our own shared library.  caller: a return
 * address that is known without a walk, for programs that bring no tables (gcc's -static ones, unless linked
 * with --eh-frame-hdr). */
size_t callers_here(const void *caller, const void **out, size_t cap);

#endif
