/* settle.c - moves the events that a process left in T.tape into T. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/write_all.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "observe/trace_tape.h"
#include "trace/private.h"
#include "trace/trace.h"

enum { PATH_LEN = 4200 };

static bool append_tail(const char *path, const struct trace_file *f, struct trace_error *e)
{
	const off_t at = (off_t)(f->len - f->tail_len);
	const int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return trace_fail(e, TRACE_NOWHERE, "%s", strerror(errno));
	const bool begun = ftruncate(fd, at) == 0 && lseek(fd, at, SEEK_SET) == at;
	const int error = begun ? write_all(fd, f->tail, f->tail_len) : errno;
	if (error != 0) {
		trace_fail(e, TRACE_NOWHERE, "%s", strerror(error));
		if (ftruncate(fd, at) != 0)
			trace_fail(e, TRACE_NOWHERE, "%s; half a block is left at its end",
			    strerror(errno));
	}
	close(fd);
	return error == 0;
}

bool trace_append_text(const char *path, enum trace_kind kind, const char *text,
    struct trace_error *e)
{
	struct trace_block_head head = {.kind = (uint16_t)kind,
	    .packed_len = (uint32_t)strlen(text)};
	struct trace_file f;

	if (!trace_file_open(&f, path, e))
		return false;
	head.first_tick = head.last_tick = f.late_tick;
	trace_block_seal(&head, text);
	f.len -= f.tail_len;
	bool fine = ARRAY_RESERVE(f.tail, f.tail_cap, sizeof head + head.packed_len) ||
	    trace_fail(e, TRACE_NOWHERE, "no memory");
	if (fine) {
		memcpy(f.tail, &head, sizeof head);
		memcpy(f.tail + sizeof head, text, head.packed_len);
		f.tail_len = sizeof head + head.packed_len;
		f.len += f.tail_len;
		fine = append_tail(path, &f, e);
	}
	trace_file_close(&f);
	return fine;
}

/* T.tape is gone now, and T remembers what it had lost. */
static void note_loss(const char *path, const struct trace_file *f)
{
	char text[sizeof f->damage.text + sizeof TRACE_TAPE_LOST + 2];
	struct trace_error e;

	snprintf(text, sizeof text, TRACE_TAPE_LOST "=%s\n", f->damage.text);
	if (!trace_append_text(path, TRACE_META, text, &e))
		lab_say("%s: %s, and %s", path, f->damage.text, e.text);
}

/* What would be appended behind damage could not be read. */
static enum trace_settled keep_both(const struct trace_file *f, struct trace_error *e)
{
	const char *const slash = strrchr(f->path, '/');

	trace_fail(e, TRACE_NOWHERE, "%s; %.100s" TAPE_SUFFIX " stays beside it", f->damage.text,
	    slash != NULL ? slash + 1 : f->path);
	return TRACE_REFUSED;
}

enum trace_settled trace_settle(const char *path, struct trace_error *e)
{
	char name[PATH_LEN];
	struct trace_file f;

	e->text[0] = '\0';
	snprintf(name, sizeof name, "%s%s", path, TAPE_SUFFIX);
	const int tape = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (tape < 0)
		return TRACE_SETTLED;
	flock(tape, LOCK_EX); /* against another dmm that does the same */
	if (!trace_file_open(&f, path, e)) {
		close(tape);
		return TRACE_UNSETTLED;
	}
	enum trace_settled r = f.running ? TRACE_RUNNING : TRACE_SETTLED;
	if (r == TRACE_SETTLED && f.sound_len != f.len)
		r = keep_both(&f, e);
	if (r == TRACE_SETTLED && f.tail_len != 0 && !append_tail(path, &f, e))
		r = TRACE_UNSETTLED;
	if (r == TRACE_SETTLED && (f.tape_stays || f.tape_cut))
		*e = f.damage;
	if (r == TRACE_SETTLED && f.tape_stays)
		r = TRACE_REFUSED;
	if (r == TRACE_SETTLED && access(name, F_OK) == 0) {
		unlink(name);
		if (f.tape_cut)
			note_loss(path, &f);
	}
	trace_file_close(&f);
	close(tape);
	return r;
}
