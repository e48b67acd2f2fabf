/* record_total.c - the bytes of all processes of a recording together, for --max-size.
 *
 *   T.total   struct trace_total: made by dmm record, mapped by each process as it begins, removed
 *             by dmm record
 *
 * A child of fork() has its parent's mapping.  Where there is no such file (a program that outlives
 * dmm record and executes another image), a process counts its own bytes.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1100 };

static struct trace_total own;
static struct trace_total *shared;

static struct trace_total *total(void)
{
	return shared != NULL ? shared : &own;
}

void total_open(const char *base)
{
	char path[PATH_LEN];
	const char *name;
	struct stat st;

	if (shared != NULL)
		return;
	crash_format(path, sizeof path, "%s%s", base, TOTAL_SUFFIX);
	const int at = output_where(path, &name);
	const int fd = openat(at, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof *shared) {
		void *const p =
		    mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED)
			shared = p;
	}
	close(fd);
}

void total_add(int64_t bytes)
{
	atomic_fetch_add(&total()->bytes, (uint64_t)bytes);
}

uint64_t total_bytes(void)
{
	return atomic_load(&total()->bytes);
}

bool total_fill(void)
{
	return !atomic_exchange(&total()->full, true);
}

bool total_is_full(void)
{
	return atomic_load(&total()->full);
}

void total_after_fork(void)
{
	atomic_store(&own.bytes, 0);
	atomic_store(&own.full, false);
}
