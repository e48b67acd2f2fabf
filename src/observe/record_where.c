/* record_where.c - the directory of the recording: found again after a chroot, by a descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1024, FD_HIGH = 512 };

static struct {
	int fd; /* AT_FDCWD: none */
	dev_t dev;
	ino_t ino;
} directory = {.fd = AT_FDCWD};

int where_high(int fd)
{
	const int moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_HIGH);
	if (moved < 0)
		return fd;
	close(fd);
	return moved;
}

void where_keep(const char *base)
{
	char folder[PATH_LEN];
	struct stat st;

	crash_format(folder, sizeof folder, "%s", base);
	char *const slash = strrchr(folder, '/');
	if (slash == NULL)
		return;
	*slash = '\0';
	const int fd = open(folder[0] != '\0' ? folder : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	directory.fd = where_high(fd);
	directory.dev = st.st_dev;
	directory.ino = st.st_ino;
}

int output_where(const char *path, const char **name)
{
	const char *const slash = strrchr(path, '/');
	struct stat st;

	*name = path;
	if (directory.fd == AT_FDCWD || slash == NULL || fstat(directory.fd, &st) != 0 ||
	    st.st_dev != directory.dev || st.st_ino != directory.ino)
		return AT_FDCWD;
	*name = slash + 1;
	return directory.fd;
}

bool where_is_writable(void)
{
	return directory.fd == AT_FDCWD ||
	       faccessat(directory.fd, ".", W_OK | X_OK, AT_EACCESS) == 0 ||
	       (errno != EACCES && errno != EROFS);
}
