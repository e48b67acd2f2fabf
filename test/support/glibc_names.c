/* glibc_names.c - for programs that are linked with musl and call functions that glibc has: names
 * to link with.  At run time the preloaded library comes first and has the functions. */
#include <stdlib.h>

#include "os/libc.h"

#define NEVER_CALLED { abort(); }

struct mallinfo mallinfo(void) NEVER_CALLED
struct mallinfo2 mallinfo2(void) NEVER_CALLED
int mallopt(int param __attribute__((unused)), int value __attribute__((unused))) NEVER_CALLED
int malloc_trim(size_t pad __attribute__((unused))) NEVER_CALLED
int malloc_info(int o __attribute__((unused)), FILE *f __attribute__((unused))) NEVER_CALLED
void malloc_stats(void) NEVER_CALLED
void *pvalloc(size_t n __attribute__((unused))) NEVER_CALLED
