/* record_place.c - the names of a process's files: what stands there already is kept, unless an
 * image of this very process wrote it before it called exec.
 *
 *   T or T.PID  written before exec         renamed to .execN, and its tape with it; emptied, and
 *                                           used again, where it cannot be renamed
 *               written, without any call   emptied, and used again
 *               missing or empty            used
 *               anything else               stays, and the process is not recorded
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/crash.h"
#include "observe/record.h"

enum { PATH_LEN = 1024 };

/* The user chose the name T, which may be a link.  The others are made of it and a number. */
static int link_flag(bool chosen)
{
	return chosen ? 0 : O_NOFOLLOW;
}

static bool find(int at, const char *name, bool chosen, struct stat *st)
{
	return fstatat(at, name, st, chosen ? 0 : AT_SYMLINK_NOFOLLOW) == 0;
}

/* The first bytes of a regular file: how many; -1: it cannot be read, or is another kind of file.
 * Such a one is not even opened: a program may wait at a pipe for a reader. */
static ssize_t read_head(int at, const char *name, bool chosen, void *head, size_t len,
    struct stat *st)
{
	if (!find(at, name, chosen, st) || !S_ISREG(st->st_mode))
		return -1;
	const int fd =
	    openat(at, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | link_flag(chosen));
	if (fd < 0)
		return -1;
	const bool regular = fstat(fd, st) == 0 && S_ISREG(st->st_mode);
	const ssize_t n = regular ? read(fd, head, len) : -1;
	close(fd);
	return n;
}

static bool head_is_ours(int at, const char *path, bool chosen)
{
	struct trace_file_head head;
	struct stat st;

	return read_head(at, path, chosen, &head, sizeof head, &st) == (ssize_t)sizeof head &&
	    head.magic == TRACE_FILE_MAGIC && head.pid == (uint32_t)getpid();
}

/* A tape.  Blank: its process ended or called exec before it wrote the head.  Idle: of an image
 * that noted no call. */
enum { FOREIGN, EMPTY, BLANK, OURS, OURS_IDLE };

static int tape_kind(int at, const char *tape)
{
	struct tape_head head = {0};
	struct stat st;
	const ssize_t n = read_head(at, tape, false, &head, sizeof head, &st);

	if (n != (ssize_t)sizeof head)
		return n == 0 && st.st_size == 0 ? EMPTY : FOREIGN;
	if (head.magic == 0)
		return tape_has_len((uint64_t)st.st_size) ? BLANK : FOREIGN;
	return head.magic != TAPE_MAGIC || head.pid != (uint32_t)getpid() ? FOREIGN
	    : head.idle != 0                                               ? OURS_IDLE
	                                                                   : OURS;
}

/* 0: nothing has the name. */
static int name_taken(int at, const char *name)
{
	struct stat st;

	return find(at, name, false, &st) ? EEXIST : errno == ENOENT ? 0 : errno;
}

/* 0, or an errno.  EEXIST: `to` is taken, and was left alone. */
static int rename_new(int at, const char *from, const char *to)
{
	if (syscall(SYS_renameat2, at, from, at, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS) /* the file system or Linux knows no such flag */
		return errno;
	const int taken = name_taken(at, to);
	return taken != 0 ? taken : renameat(at, from, at, to) == 0 ? 0 : errno;
}

/* False: they have the same names as before. */
static bool rename_earlier(int at, const char *path, const char *tape)
{
	char kept[PATH_LEN + 24], kept_tape[PATH_LEN + 32];
	int error = EEXIST;

	for (size_t i = 1; error == EEXIST && i < 100000; i++) {
		crash_format(kept, sizeof kept, "%s.exec%u", path, i);
		crash_format(kept_tape, sizeof kept_tape, "%s" TAPE_SUFFIX, kept);
		error = name_taken(at, kept_tape);
		if (error == 0)
			error = rename_new(at, path, kept);
	}
	if (error == 0 && tape_kind(at, tape) >= BLANK)
		rename_new(at, tape, kept_tape);
	return error == 0;
}

/* What an image of this very process wrote, and T.tape with what it had not written yet.  False: it
 * is still there; errno says why. */
static bool clear(const char *path, int at, const char *name, bool chosen)
{
	char tape[PATH_LEN + 8];

	crash_format(tape, sizeof tape, "%s" TAPE_SUFFIX, name);
	if (!head_is_ours(at, name, chosen))
		return true;
	const bool idle = tape_kind(at, tape) == OURS_IDLE;
	if (!idle && rename_earlier(at, name, tape))
		return true;
	const int fd = openat(at, name, O_WRONLY | O_TRUNC | O_CLOEXEC | link_flag(chosen));
	if (fd < 0)
		return false;
	close(fd);
	if (!idle)
		crash_say("record: %s: the calls before exec are lost: this file cannot be renamed",
		    path);
	return true;
}

/* Does that errno of openat() tell of a file of someone else? A link, a pipe or a socket, a folder;
 * or a file that is not this user's. */
static bool is_foreign(int error, bool there)
{
	return error == ELOOP || error == ENXIO || error == EISDIR || (error == EACCES && there);
}

/* It was just made, or is empty.  Without O_EXCL, so that a link and a file of mktemp will do for
 * T; without O_TRUNC, so that nothing is lost. */
static int open_empty(int at, const char *name, bool chosen, int flags, struct stat *st)
{
	const bool there = find(at, name, chosen, st);
	int error = EEXIST;

	if (there && !S_ISREG(st->st_mode)) {
		errno = error;
		return -1;
	}
	const int fd = openat(at, name,
	    flags | O_CREAT | O_CLOEXEC | O_NONBLOCK | link_flag(chosen), 0666);
	if (fd >= 0 && fstat(fd, st) != 0)
		error = errno;
	else if (fd >= 0 && S_ISREG(st->st_mode) && st->st_size == 0)
		return fd;
	else if (fd < 0 && !is_foreign(errno, there && !chosen))
		error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return -1;
}

int place_recording(const char *path, bool chosen, struct stat *st)
{
	const char *name;
	const int at = output_where(path, &name);

	return clear(path, at, name, chosen)
	    ? open_empty(at, name, chosen, O_WRONLY | O_APPEND, st) : -1;
}

/* The packer may have mapped the tape of an image before this one: it gets another file. */
int place_tape(const char *path)
{
	const char *name;
	struct stat st;
	const int at = output_where(path, &name);

	if (tape_kind(at, name) != FOREIGN)
		unlinkat(at, name, 0);
	const int fd = open_empty(at, name, false, O_RDWR, &st);
	if (fd < 0 && errno == EEXIST)
		crash_say("record: %s: another file has this name; if the program is killed, its "
		          "last calls are lost", path);
	return fd;
}
