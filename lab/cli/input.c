/* input.c - see input.h. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int input_open(const char *path)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		if (errno == ENXIO) /* a socket */
			errno = ENODEV;
		return -1;
	}
	const bool known = fstat(fd, &st) == 0;
	if (known && S_ISREG(st.st_mode))
		return fd;
	const int error = known ? ENODEV : errno;
	close(fd);
	errno = error;
	return -1;
}

static bool is_descriptor(const char *path)
{
	return strcmp(path, "/dev/stdin") == 0 || strncmp(path, "/dev/fd/", 8) == 0 ||
	    strncmp(path, "/proc/", 6) == 0;
}

int input_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ||
	    (S_ISFIFO(st.st_mode) && is_descriptor(path)) ? 0 : ENODEV;
}

FILE *input_text(const char *path)
{
	const int error = input_check(path);

	errno = error;
	return error == 0 ? fopen(path, "re") : NULL;
}

const char *input_why(int error)
{
	return error == ENODEV ? "not a regular file" : strerror(error);
}
