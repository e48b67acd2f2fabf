/* earlier.c - see earlier.h. The earlier recording is removed when the new program has begun to
 * run: before, exec may still fail, and then neither recording would be left. */
#include "record/earlier.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/array.h"
#include "cli/lab.h"
#include "observe/trace_tape.h"
#include "trace/beside.h"
#include "trace/tape.h"

/* False: too long. */
static bool name_aside(char aside[static PATH_MAX], const char *path)
{
	return snprintf(aside, PATH_MAX, "%s.earlier-%d", path, getpid()) < PATH_MAX;
}

/* Some process still maps PATH.tape, and so writes the recording PATH. */
static void check_running(const char *path, const char *tape)
{
	struct trace_tape t;
	uint32_t pid;

	if (file_kind(tape, &pid) == FILE_MISSING)
		return;
	if (!trace_tape_copy(&t, path))
		lab_die(EXIT_OURS, "no memory");
	if (t.running)
		lab_die(EXIT_USAGE, "%s is being recorded, by process %u: name another file by -o, "
		    "or wait until that process has ended", path, pid);
	trace_tape_free(&t);
}

static void add(void *arg, const char *path, enum file_kind kind)
{
	struct earlier *const e = arg;

	if (kind == FILE_TAPE) {
		char recording[PATH_MAX];
		snprintf(recording, sizeof recording, "%.*s",
		    (int)(strlen(path) - strlen(TAPE_SUFFIX)), path);
		check_running(recording, path);
	}
	ARRAY_GROW(e->path, e->cap, e->count + 1);
	e->path[e->count] = strdup(path);
	if (e->path[e->count++] == NULL)
		lab_die(EXIT_OURS, "no memory");
}

/* A file that is not dmm's is not replaced. */
static enum file_kind check_first(const char *path, uint32_t *pid)
{
	struct stat st;
	const enum file_kind kind = file_kind(path, pid);

	if (kind != FILE_OTHER && kind != FILE_TAPE && kind != FILE_BLANK)
		return kind;
	if (stat(path, &st) != 0)
		return FILE_MISSING; /* a link to nothing: check_place() tries it */
	if (!S_ISREG(st.st_mode))
		lab_die(EXIT_USAGE, "%s: not a regular file; name another by -o", path);
	if (access(path, R_OK) != 0)
		lab_die(EXIT_OURS, "%s: %s; name another file by -o", path, strerror(errno));
	lab_die(EXIT_USAGE, "%s is not a recording, and is not overwritten: name another file by "
	    "-o, or remove it first", path);
}

static __attribute__((noreturn)) void in_the_way(const char *path)
{
	lab_die(EXIT_USAGE, "%s is in the way: dmm writes a file of this name beside the "
	    "recording; name another recording by -o, or remove that file first", path);
}

/* T.total has no magic number: it is known by its length and its second word. */
static void check_total(const char *first)
{
	char path[PATH_MAX + sizeof TOTAL_SUFFIX];
	struct trace_total t;
	struct stat st;
	uint32_t ignored;

	snprintf(path, sizeof path, "%s%s", first, TOTAL_SUFFIX);
	const enum file_kind kind = file_kind(path, &ignored);
	if (kind == FILE_MISSING || kind == FILE_EMPTY)
		return;
	const bool regular = stat(path, &st) == 0 && S_ISREG(st.st_mode);
	FILE *const f = regular && st.st_size == sizeof t ? fopen(path, "rbe") : NULL;
	if (f == NULL || fread(&t, sizeof t, 1, f) != 1 || atomic_load(&t.full) > 1)
		in_the_way(path);
	fclose(f);
}

static void add_tape(struct earlier *e, const char *first, enum file_kind recording, uint32_t *pid)
{
	char path[PATH_MAX + sizeof TAPE_SUFFIX];
	uint32_t its;

	snprintf(path, sizeof path, "%s%s", first, TAPE_SUFFIX);
	const enum file_kind kind = file_kind(path, &its);
	if (kind == FILE_MISSING || kind == FILE_EMPTY)
		return;
	if (kind != FILE_TAPE && (kind != FILE_BLANK || recording != FILE_RECORDING))
		in_the_way(path);
	*pid = *pid != 0 ? *pid : its;
	add(e, path, FILE_TAPE);
}

struct earlier earlier_find(const char *path)
{
	struct earlier e = {0};
	uint32_t pid;
	const enum file_kind kind = check_first(path, &pid);

	e.was_empty = kind == FILE_EMPTY;
	if (kind == FILE_RECORDING)
		add(&e, path, kind);
	add_tape(&e, path, kind, &pid);
	check_total(path);
	beside_each(path, pid, add, &e);
	return e;
}

/* False: errno says why. */
static bool set_aside(const char *path)
{
	char aside[PATH_MAX];
	struct stat st;

	errno = ENAMETOOLONG;
	if (!name_aside(aside, path))
		return false;
	if (lstat(aside, &st) == 0) {
		errno = EEXIST;
		return false;
	}
	return errno == ENOENT && rename(path, aside) == 0;
}

void earlier_set_aside(struct earlier *e)
{
	for (; e->moved < e->count; e->moved++) {
		if (set_aside(e->path[e->moved]))
			continue;
		const int error = errno;
		char *const path = strdup(e->path[e->moved]);
		earlier_restore(e);
		lab_die(EXIT_OURS, "%s cannot be replaced: %s; name another file by -o",
		    path != NULL ? path : "the earlier recording", strerror(error));
	}
}

static void forget(struct earlier *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->path[i]);
	free(e->path);
	*e = (struct earlier){0};
}

void earlier_restore(struct earlier *e)
{
	char aside[PATH_MAX];

	for (size_t i = 0; i < e->moved; i++)
		if (name_aside(aside, e->path[i]) && rename(aside, e->path[i]) != 0)
			lab_say("%s cannot be renamed: %s; it is %s now", e->path[i],
			    strerror(errno), aside);
	forget(e);
}

void earlier_discard(struct earlier *e)
{
	char aside[PATH_MAX];

	for (size_t i = 0; i < e->moved; i++)
		if (name_aside(aside, e->path[i]) && unlink(aside) != 0)
			lab_say("%s, of an earlier recording, cannot be removed: %s", aside,
			    strerror(errno));
	forget(e);
}
