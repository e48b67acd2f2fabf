/* write_all.c - see write_all.h. */
#include "base/write_all.h"

#include <errno.h>
#include <unistd.h>

int write_all(int fd, const void *bytes, size_t n)
{
	for (size_t at = 0; at < n;) {
		const ssize_t wrote = write(fd, (const char *)bytes + at, n - at);
		if (wrote > 0)
			at += (size_t)wrote;
		else if (wrote == 0)
			return EIO;
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}
