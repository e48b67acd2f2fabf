/* input.c - see input.h. */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int open_now(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ENXIO) /* a socket */
		errno = ENODEV;
	return fd;
}

static int give_up(int fd, int error)
{
	close(fd);
	errno = error;
	return -1;
}

int input_open(const char *path)
{
	struct stat st;
	const int fd = open_now(path);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		return give_up(fd, errno);
	return S_ISREG(st.st_mode) ? fd : give_up(fd, ENODEV);
}

/* Nothing at which a reader waits, but for what the user gave us as standard input. */
static bool ends(const struct stat *st)
{
	struct stat in;

	return S_ISREG(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3)) ||
	    (fstat(STDIN_FILENO, &in) == 0 && in.st_dev == st->st_dev && in.st_ino == st->st_ino);
}

/* Not one that has a name in a folder. */
static bool is_bare_pipe(int fd)
{
	char link[64], to[8] = "";

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return readlink(link, to, sizeof to) > 5 && strncmp(to, "pipe:", 5) == 0;
}

int input_stream(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -1;
	if (S_ISDIR(st.st_mode) || (!S_ISFIFO(st.st_mode) && !ends(&st))) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : ENODEV;
		return -1; /* not opened: a device may take that for a command */
	}
	const int fd = open_now(path);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		return give_up(fd, errno);
	if (!ends(&st) && !(S_ISFIFO(st.st_mode) && is_bare_pipe(fd)))
		return give_up(fd, ENODEV);
	fcntl(fd, F_SETFL, O_RDONLY); /* reads may wait again */
	return fd;
}

FILE *input_text(const char *path)
{
	const int fd = input_stream(path);
	FILE *const f = fd >= 0 ? fdopen(fd, "r") : NULL;

	if (fd >= 0 && f == NULL)
		give_up(fd, errno);
	return f;
}

const char *input_why(int error)
{
	return error == ENODEV ? "not a regular file" : strerror(error);
}
