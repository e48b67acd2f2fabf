/* frames.h - an address of an ELF file as functions and lines: the one that holds it, and those
 * inlined there.
 *
 * libdw reads the file, and its debugging information where that lies elsewhere (a build-id's
 * directory, a debug link, debuginfod when DEBUGINFOD_URLS is set).
 */
#ifndef LAB_TRACE_FRAMES_H
#define LAB_TRACE_FRAMES_H

#include <elfutils/libdwfl.h>
#include <stdbool.h>
#include <stddef.h>

enum { FRAME_NAME_LEN = 256, FRAMES_MAX = 32 };

struct code_frame {
	char name[FRAME_NAME_LEN]; /* "main (hello.c:12)" */
	bool wrapper;              /* an allocator's wrapper, or of the C++ or Rust library */
};

/* Innermost first; at least one.  file: to say where no line is known.  at: in the module's own
 * terms. */
size_t frames_at(Dwfl_Module *module, GElf_Addr at, const char *file,
    struct code_frame frames[FRAMES_MAX]);
/* C++ and Rust names as people write them, without parameters; others as they are. */
void frame_plain_name(const char *name, char plain[FRAME_NAME_LEN]);
const char *frame_file_part(const char *path);

#endif
