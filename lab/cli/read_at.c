/* read_at.c - see read_at.h. */
#include "cli/read_at.h"

#include <errno.h>
#include <unistd.h>

bool read_at(int fd, void *to, size_t n, off_t at)
{
	for (size_t done = 0; done < n;) {
		const ssize_t r = pread(fd, (char *)to + done, n - done, at + (off_t)done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r == 0)
			errno = 0;
		if (r <= 0)
			return false;
		done += (size_t)r;
	}
	return true;
}
