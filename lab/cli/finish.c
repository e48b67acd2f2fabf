/* finish.c - the end of the command: a full disk must not pass for an empty result. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/lab.h"

/* The errno that a write to stdout would give now, 0: none or not known.  stdio forgets the errno
 * of a write that failed earlier.  Neither call below changes what stdout holds. */
static int refusal(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) != 0)
		return errno;
	if (S_ISCHR(st.st_mode))
		return write(STDOUT_FILENO, "", 0) < 0 ? errno : 0;
	if (!S_ISREG(st.st_mode) ||
	    fallocate(STDOUT_FILENO, FALLOC_FL_KEEP_SIZE, st.st_size, BUFSIZ) == 0)
		return 0;
	return errno != EOPNOTSUPP && errno != ENOSYS ? errno : 0;
}

int lab_finish(int status)
{
	const bool lost = ferror(stdout) != 0;

	errno = 0;
	if (fflush(stdout) == 0 && !lost)
		return status;
	const int error = errno != 0 ? errno : refusal();
	lab_say("stdout cannot be written: %s",
	    error != 0 ? strerror(error) : "some of the output is lost");
	return status == EXIT_FINE ? EXIT_OURS : status;
}
