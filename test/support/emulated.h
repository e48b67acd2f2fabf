/* emulated.h - does this program run in qemu-user?
 *
 * There every madvise() succeeds, statm tells of the emulator, RLIMIT_AS and RLIMIT_DATA are
 * ignored, and the emulator writes a line to stderr when a signal kills the program. */
#ifndef TEST_SUPPORT_EMULATED_H
#define TEST_SUPPORT_EMULATED_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

static inline bool emulated(void)
{
	enum { NO_SUCH_ADVICE = 0x7fff, LARGEST_PAGE = 1 << 16 };
	static char here;
	const int saved = errno;
	const uintptr_t page = (uintptr_t)&here / LARGEST_PAGE * LARGEST_PAGE;
	const bool pretended = madvise((void *)page, 1, NO_SUCH_ADVICE) == 0;
	errno = saved;
	return pretended;
}

/* Takes the emulator's own line, if it is there, from the end of what a program wrote to stderr. */
static inline void cut_emulators_line(char *said)
{
	char *const line = strstr(said, "qemu: uncaught target signal");

	if (line != NULL && emulated())
		*line = '\0';
}

#endif
