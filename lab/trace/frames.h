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
#include <stdint.h>

enum { FRAME_NAME_LEN = 256, FRAMES_MAX = 32 };

struct code_frame {
	char name[FRAME_NAME_LEN]; /* "main (hello.c:12)", cut where it is too long */
	/* a hash of the whole name, the path and the line; 0: that of `name` tells as much */
	uint64_t whole;
	bool wrapper;              /* an allocator's wrapper, or of the C++ or Rust library */
};

/* Innermost first; at least one.  file: to say where no line is known.  at: in the module's own
 * terms. */
size_t frames_at(Dwfl_Module *module, GElf_Addr at, const char *file,
    struct code_frame frames[FRAMES_MAX]);
/* Of a name of `len` bytes, a source or file, and a line in it; never 0. */
uint64_t frame_hash(const char *name, size_t len, const char *path, int line);
const char *frame_file_part(const char *path);

#endif
