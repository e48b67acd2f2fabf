/* callers.h - unwinding: the return addresses on a stack, without help of the program's build.
 *
 *   pc --> the module's .eh_frame_hdr (a sorted table) --> how this function moved sp and kept fp
 *   and the return address --> the caller's pc, sp, fp --> ...
 *   in code without such a table (compiled at run time): the chain of frame pointers
 *
 * Debian's programs keep no frame pointers, so callers_of() reads the exception tables.  It
 * allocates nothing, takes no lock and looks up no name, since it may run inside malloc and in a
 * signal handler.  It asks the kernel for each page of the stack before it reads the page, so that
 * a broken stack ends the list, not the program.
 */
#ifndef OS_CALLERS_H
#define OS_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The registers that matter.  link: the return address of a function without calls (aarch64). */
struct frame {
	uintptr_t pc, sp, fp, link;
};

/* Writes at most cap return addresses of the stack of `from`, innermost first and without the pc
 * itself.  Returns how many. */
size_t callers_of(struct frame from, const void **out, size_t cap);

/* The same for the caller of this function, without frames of our own shared library.  caller: a
 * return address that is known without a walk, for programs without tables (gcc's -static ones,
 * unless linked with --eh-frame-hdr). */
size_t callers_here(const void *caller, const void **out, size_t cap);

#endif
