/* record_place.c - the names of a process's files: what stands there already is kept, unless an
 * image of this very process wrote it before it called exec.
 *
 *   T or T.PID  written before exec         renamed to .execN, and its tape with it
 *               written, without any call   emptied, and used again
 *               missing or empty            used
 *               anything else               stays, and the process is not recorded
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1024 };

/* The user chose the name T, which may be a link.  The others are made of it and a number. */
static int link_flag(bool chosen)
{
	return chosen ? 0 : O_NOFOLLOW;
}

static bool head_is_ours(int directory, const char *path, bool chosen)
{
	struct trace_file_head head;
	const int fd = openat(directory, path,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | link_flag(chosen));

	if (fd < 0)
		return false;
	const bool ours = read(fd, &head, sizeof head) == sizeof head &&
	                  head.magic == TRACE_FILE_MAGIC && head.pid == (uint32_t)getpid();
	close(fd);
	return ours;
}

enum { FOREIGN, BLANK, OURS, OURS_IDLE }; /* a tape; idle: of an image that noted no call */

static int tape_kind(int directory, const char *tape)
{
	struct tape_head head = {0};
	struct stat st;
	const int fd =
	    openat(directory, tape, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

	if (fd < 0)
		return FOREIGN;
	const bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	const ssize_t n = regular ? read(fd, &head, sizeof head) : -1;
	close(fd);
	if (n != (ssize_t)sizeof head || head.magic == 0)
		return n >= 0 && head.magic == 0 ? BLANK : FOREIGN;
	return head.magic != TAPE_MAGIC || head.pid != (uint32_t)getpid() ? FOREIGN
	    : head.idle != 0                                               ? OURS_IDLE
	                                                                   : OURS;
}

static void rename_earlier(int at, const char *path, const char *tape)
{
	char kept[PATH_LEN + 24], kept_tape[PATH_LEN + 32];

	for (size_t i = 1; i < 100000; i++) {
		crash_format(kept, sizeof kept, "%s.exec%u", path, i);
		if (faccessat(at, kept, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		crash_format(kept_tape, sizeof kept_tape, "%s" TAPE_SUFFIX, kept);
		renameat(at, path, at, kept);
		if (tape_kind(at, tape) != FOREIGN)
			renameat(at, tape, at, kept_tape);
		return;
	}
}

/* What an image of this very process wrote, and T.tape with what it had not written yet. */
static void clear(int at, const char *path, bool chosen)
{
	char tape[PATH_LEN + 8];

	crash_format(tape, sizeof tape, "%s" TAPE_SUFFIX, path);
	if (!head_is_ours(at, path, chosen))
		return;
	if (tape_kind(at, tape) != OURS_IDLE) {
		rename_earlier(at, path, tape);
		return;
	}
	const int fd = openat(at, path, O_WRONLY | O_TRUNC | O_CLOEXEC | link_flag(chosen));
	if (fd >= 0)
		close(fd);
}

/* It was just made, or is empty.  Without O_EXCL, so that a link and a file of mktemp will do for
 * T; without O_TRUNC, so that nothing is lost. */
static int open_empty(int at, const char *name, int flags, struct stat *st)
{
	const int fd = openat(at, name, flags | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
	int error = errno;

	if (fd >= 0 && fstat(fd, st) == 0) {
		if (S_ISREG(st->st_mode) && st->st_size == 0)
			return fd;
		error = EEXIST;
	} else if (fd < 0 && (error == ELOOP || error == ENXIO || error == EISDIR)) {
		error = EEXIST; /* a link, a pipe or a socket, a folder */
	}
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

int place_recording(const char *path, bool chosen, struct stat *st)
{
	const char *name;
	const int at = output_where(path, &name);

	clear(at, name, chosen);
	return open_empty(at, name, O_WRONLY | O_APPEND | link_flag(chosen), st);
}

/* The packer may have mapped the tape of an image before this one: it gets another file. */
int place_tape(const char *path)
{
	const char *name;
	struct stat st;
	const int at = output_where(path, &name);

	if (tape_kind(at, name) != FOREIGN)
		unlinkat(at, name, 0);
	const int fd = open_empty(at, name, O_RDWR | O_NOFOLLOW, &st);
	if (fd < 0 && errno == EEXIST)
		crash_say("record: %s: another file has this name; if the program is killed, its "
		          "last calls are lost", path);
	return fd;
}
