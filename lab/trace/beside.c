/* beside.c - see beside.h. */
#include "trace/beside.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "observe/trace_tape.h"

static enum file_kind kind_of(int fd, off_t len, uint32_t *pid)
{
	union {
		uint64_t magic;
		struct trace_file_head recording;
		struct tape_head tape;
	} head = {0};
	const ssize_t n = read(fd, &head, sizeof head);

	if (n <= 0)
		return n == 0 ? FILE_EMPTY : FILE_OTHER;
	if (n >= (ssize_t)sizeof head.recording && head.magic == TRACE_FILE_MAGIC) {
		*pid = head.recording.pid;
		return FILE_RECORDING;
	}
	if (n == sizeof head && head.magic == TAPE_MAGIC) {
		*pid = head.tape.pid;
		return FILE_TAPE;
	}
	return head.magic == 0 && tape_has_len((uint64_t)len) ? FILE_BLANK : FILE_OTHER;
}

enum file_kind file_kind(const char *path, uint32_t *pid)
{
	struct stat st;

	*pid = 0;
	if (stat(path, &st) != 0)
		return lstat(path, &st) != 0 ? FILE_MISSING : FILE_OTHER;
	if (!S_ISREG(st.st_mode))
		return FILE_OTHER;
	if (st.st_size == 0)
		return FILE_EMPTY;
	const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return FILE_OTHER;
	const enum file_kind kind = kind_of(fd, st.st_size, pid);
	close(fd);
	return kind;
}

static const char *behind_digits(const char *s)
{
	return s + strspn(s, "0123456789");
}

/* The file's name behind T: .PID, .execN, both, and .tape. *pid: 0 if it has none. */
static bool is_suffix(const char *s, uint32_t *pid, bool *tape)
{
	static const char exec[] = ".exec";
	const char *end;
	const char *const begin = s;

	*pid = 0;
	if (s[0] == '.' && s[1] >= '1' && s[1] <= '9') {
		const unsigned long number = strtoul(s + 1, NULL, 10);
		if (number > INT_MAX)
			return false;
		*pid = (uint32_t)number;
		s = behind_digits(s + 1);
	}
	if (strncmp(s, exec, sizeof exec - 1) == 0) {
		end = behind_digits(s + sizeof exec - 1);
		if (end == s + sizeof exec - 1)
			return false;
		s = end;
	}
	*tape = strcmp(s, TAPE_SUFFIX) == 0;
	return s != begin && (*tape || *s == '\0');
}

void beside_each(const char *path, uint32_t first, beside_visit *visit, void *arg)
{
	const char *const slash = strrchr(path, '/');
	const char *const name = slash != NULL ? slash + 1 : path;
	const size_t len = strlen(name);
	char folder[PATH_MAX], found[PATH_MAX];
	const struct dirent *d;

	snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(name - path) : 1,
	    slash != NULL ? path : ".");
	DIR *const dir = opendir(folder);
	while (dir != NULL && (d = readdir(dir)) != NULL) {
		uint32_t wanted, pid;
		bool tape;
		if (strncmp(d->d_name, name, len) != 0 ||
		    !is_suffix(d->d_name + len, &wanted, &tape) ||
		    snprintf(found, sizeof found, "%s%s", path, d->d_name + len) >= PATH_MAX)
			continue;
		wanted = wanted != 0 ? wanted : first;
		const enum file_kind kind = file_kind(found, &pid);
		if (kind == (tape ? FILE_TAPE : FILE_RECORDING) && wanted != 0 && pid == wanted)
			visit(arg, found, kind);
	}
	if (dir != NULL)
		closedir(dir);
}
