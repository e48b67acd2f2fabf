/* tape.c - see tape.h.
 *
 *   slot --> columns --> a block, unless the file's last block of the thread is made of the same
 *        --> raw events that no columns hold --> more blocks
 */
#include "trace/tape.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "cli/array.h"
#include "cli/read_at.h"
#include "observe/trace_slot.h"
#include "os/ticks.h"
#include "trace/private.h"

enum { PATH_LEN = 4200, TRIES = 200, LEVEL = 1 };

/* ---- a copy of the file ---------------------------------------------------------------------- */

static const char *file_part(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* The head of a file that may be shorter. */
static void read_head(int fd, struct tape_head *h, off_t len)
{
	memset(h, 0, sizeof *h);
	read_at(fd, h, len < (off_t)sizeof *h ? (size_t)len : sizeof *h, 0);
}

static bool refuse(struct trace_tape *t, const char *why)
{
	t->stays = true;
	return trace_fail(&t->problem, TRACE_NOWHERE, "%.100s" TAPE_SUFFIX " %s", t->name, why);
}

void trace_tape_note_cut(struct trace_tape *t)
{
	t->cut = true;
	trace_fail(&t->problem, TRACE_NOWHERE, "%.100s" TAPE_SUFFIX " was cut short or "
	    "overwritten, and the calls that only it had are lost", t->name);
}

/* Does the file, of len bytes, hold slots that this dmm can read?  If not, t->problem says why,
 * unless the file is blank. */
static bool has_slots(struct trace_tape *t, const struct tape_head *h, off_t len)
{
	t->blank = h->magic == 0 && (len == 0 || tape_has_len((uint64_t)len));
	if (t->blank)
		return false;
	if (h->magic != TAPE_MAGIC)
		return refuse(t, "is no file of dmm, and is left alone");
	if (h->version != TAPE_VERSION) {
		t->stays = true;
		return trace_fail(&t->problem, TRACE_NOWHERE, "%.100s" TAPE_SUFFIX " has calls in "
		    "format %u, and this dmm reads format %u: use the version of dmm that "
		    "recorded them, or remove the file to do without them", t->name, h->version,
		    TAPE_VERSION);
	}
	if (h->stacks > TRACE_DWARF || h->slots > TAPE_SLOTS ||
	    h->slot_len != tape_slot_len((enum trace_stacks)h->stacks))
		return refuse(t, "has a damaged head, so the calls in it cannot be read; remove "
		    "the file to do without them");
	return true;
}

/* Copies a slot while the process may be moving its events.  A process that was killed in the
 * middle of a move leaves its slot in that state, and the slot says which events count. */
static bool copy_slot(int fd, struct tape_slot *to, size_t len, off_t at)
{
	const struct timespec pause = {0, 1000000};
	uint32_t changes = 0, handed = 0;

	for (int i = 0; i < TRIES; i++) {
		if (!read_at(fd, to, len, at) ||
		    !read_at(fd, &changes, sizeof changes,
		        at + (off_t)offsetof(struct tape_slot, changes)) ||
		    !read_at(fd, &handed, sizeof handed,
		        at + (off_t)offsetof(struct tape_slot, handed)))
			return false;
		if (changes == to->changes && changes % 2 == 0 && handed == to->handed)
			return true;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Is the process that writes the file alive?  It keeps the file mapped, so that the kernel grants
 * no lease on it.  Where the kernel grants no leases at all (a file of another user, some file
 * systems), the process number decides. */
static bool is_running(int fd, pid_t pid)
{
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return false;
	}
	if (errno == EAGAIN)
		return true;
	return pid == 0 || kill(pid, 0) == 0 || errno == EPERM;
}

/* The copy of every slot that is in the file.  A slot that a thread used knows its address. */
static void copy_slots(struct trace_tape *t, int fd, size_t slot_len)
{
	for (size_t at = TAPE_HEAD_LEN; at < t->len; at += slot_len) {
		struct tape_slot *const s = (struct tape_slot *)(t->image + at);
		if (copy_slot(fd, s, slot_len, (off_t)at) && s->self != 0)
			continue;
		memset(s, 0, slot_len);
		trace_tape_note_cut(t);
	}
}

bool trace_tape_copy(struct trace_tape *t, const char *path)
{
	char name[PATH_LEN];
	struct stat st;
	struct tape_head head;
	bool fine = true;

	*t = (struct trace_tape){.name = file_part(path)};
	if (snprintf(name, sizeof name, "%s%s", path, TAPE_SUFFIX) >= (int)sizeof name)
		return true;
	const int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (errno == EACCES || errno == EPERM)
			refuse(t, "may not be read, so the calls that only it has are missing; try "
			    "again as the user who recorded them");
		else if (errno != ENOENT && errno != ENAMETOOLONG)
			refuse(t, "cannot be opened, so the calls that only it has are missing");
		if (fd >= 0)
			close(fd);
		return true;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		refuse(t, "is no file of dmm, and is left alone");
		return true;
	}
	read_head(fd, &head, st.st_size);
	t->running = is_running(fd, (pid_t)head.pid);
	if (has_slots(t, &head, st.st_size)) {
		t->len = TAPE_HEAD_LEN + (size_t)head.slots * head.slot_len;
		t->image = malloc(t->len);
		fine = t->image != NULL;
	}
	if (t->image != NULL) {
		memcpy(t->image, &head, sizeof head);
		copy_slots(t, fd, head.slot_len);
	}
	close(fd);
	return fine;
}

void trace_tape_free(struct trace_tape *t)
{
	free(t->image);
	t->image = NULL;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

struct maker {
	struct trace_file *f;
	struct trace_coder *coder;
	struct trace_columns *columns;
	enum trace_stacks stacks;
	uint64_t now_tick, now_ns; /* 0: unknown */
	struct trace_error *e;
};

static bool append(struct maker *m, const void *data, size_t len)
{
	struct trace_file *const f = m->f;

	if (!ARRAY_RESERVE(f->tail, f->tail_cap, f->tail_len + len))
		return trace_fail(m->e, TRACE_NOWHERE, "no memory for what was not yet written");
	memcpy(f->tail + f->tail_len, data, len);
	f->tail_len += len;
	return true;
}

static bool append_name(struct maker *m, const struct tape_slot *s)
{
	struct {
		struct trace_block_head head;
		char text[64];
	} b;
	const int n = snprintf(b.text, sizeof b.text, "%u %d %.*s\n", s->serial, s->tid,
	    (int)strnlen(s->name, TAPE_NAME_LEN), s->name);

	b.head = (struct trace_block_head){.kind = TRACE_THREAD, .packed_len = (uint32_t)n,
	    .now_tick = m->now_tick, .now_ns = m->now_ns};
	b.head.first_tick = b.head.last_tick = m->now_tick;
	trace_block_seal(&b.head, b.text);
	return append(m, &b, sizeof b.head + (size_t)n);
}

/* The block of f that these columns were written as; NULL: they were not. */
static const struct trace_index *written(const struct trace_file *f, uint32_t thread,
    uint64_t first_tick)
{
	for (size_t i = f->count; i-- > 0;)
		if (f->blocks[i].thread == thread && f->blocks[i].first_tick == first_tick)
			return &f->blocks[i];
	return NULL;
}

/* Has the file a block of the thread that begins later? */
static bool written_later(const struct trace_file *f, uint32_t thread, uint64_t last_tick)
{
	for (size_t i = f->count; i-- > 0;)
		if (f->blocks[i].thread == thread && f->blocks[i].first_tick > last_tick)
			return true;
	return false;
}

static bool add_columns(struct maker *m, const struct slot_worker *w)
{
	const struct trace_block_info of_slot = slot_info(w);
	struct trace_block_info info = of_slot;
	size_t len;

	info.now_tick = m->now_tick;
	info.now_ns = m->now_ns;
	const void *const made = trace_pack(m->coder, w->columns, &info, &len);
	return made == NULL || append(m, made, len);
}

/* The names of a script's functions that no block has.  A process that still runs may be in the
 * middle of a line. */
static bool append_names(struct maker *m, const struct tape_names *names)
{
	struct {
		struct trace_block_head head;
		char text[TAPE_NAMES_LEN];
	} b;
	size_t n = min_size(names->len, TAPE_NAMES_LEN);

	while (n > 0 && names->text[n - 1] != '\n')
		n--;
	if (n == 0)
		return true;
	memcpy(b.text, names->text, n);
	b.head = (struct trace_block_head){.kind = TRACE_SYMBOLS, .packed_len = (uint32_t)n,
	    .now_tick = m->now_tick, .now_ns = m->now_ns};
	b.head.first_tick = b.head.last_tick = m->now_tick;
	trace_block_seal(&b.head, b.text);
	return append(m, &b, sizeof b.head + n);
}

/* The columns of the copy become a block, then its raw events, which are encoded over them. */
static bool add_slot(struct maker *m, struct tape_slot *s)
{
	const struct trace_columns_state *const state = &s->state[s->current & 1].columns;
	struct slot_worker w = {s, m->columns, m->stacks, TAPE_BY_PACKER};
	const struct trace_index *const block =
	    state->events != 0 ? written(m->f, s->serial, state->first_tick) : NULL;
	const uint32_t events = state->events;
	const uint64_t last_tick = state->last_tick;

	if (s->serial == 0 || s->frames_len > frames_cap(m->stacks) + (m->stacks == TRACE_NONE))
		return true;
	if (s->name[0] != '\0' && !append_name(m, s))
		return false;
	trace_columns_init(m->columns, s->bytes, tape_layout(m->stacks));
	s->encoder = TAPE_BY_PROCESS;
	if (slot_adopt(&w) && block == NULL && !add_columns(m, &w))
		return false;
	/* the process wrote the block meanwhile, with later events in it, or also the next one */
	if ((block != NULL && block->events != events) ||
	    written_later(m->f, s->serial, last_tick))
		return true;
	slot_emptied(&w);
	while (!slot_encode_all(&w)) {
		if (!add_columns(m, &w))
			return false;
		slot_emptied(&w);
	}
	return trace_columns_events(w.columns) == 0 || add_columns(m, &w);
}

/* The present moment by both clocks, if the recording was made since this machine started.  Over so
 * long a time the rate of the ticks is known better than from a short recording alone. */
static void note_now(struct maker *m)
{
	const struct trace_file_head *const h = &m->f->head;
	const uint64_t ns = clock_ns(CLOCK_MONOTONIC), tick = os_ticks() >> 4;

	if (ns <= h->start_ns || tick <= h->start_tick || m->f->ns_per_tick == 1)
		return;
	const double here = (double)(ns - h->start_ns) / (double)(tick - h->start_tick);
	if (here < 0.95 * m->f->ns_per_tick || here > 1.05 * m->f->ns_per_tick)
		return;
	m->now_tick = tick;
	m->now_ns = ns;
}

bool trace_tape_blocks(struct trace_tape *t, struct trace_file *f, struct trace_error *e)
{
	const struct tape_head *const head = (const struct tape_head *)t->image;
	void *const memory = calloc(1, trace_coder_size());
	struct maker m = {.f = f, .stacks = (enum trace_stacks)head->stacks, .e = e,
	    .columns = calloc(1, trace_columns_size()),
	    .coder = memory != NULL ? trace_coder_init(memory, trace_coder_size(), LEVEL) : NULL};
	bool fine = m.coder != NULL && m.columns != NULL;

	if (!fine)
		trace_fail(e, TRACE_NOWHERE, "no memory for what was not yet written");
	if (head->start_tick != f->head.start_tick || head->pid != f->head.pid) {
		/* of an image that called exec and had noted nothing, it is worth nothing */
		if (!t->running && head->idle == 0)
			refuse(t, "belongs to another recording, and is left alone");
	} else {
		note_now(&m);
		fine = fine && append_names(&m, &head->names);
		for (size_t at = TAPE_HEAD_LEN; fine && at < t->len; at += head->slot_len)
			fine = add_slot(&m, (struct tape_slot *)(t->image + at));
	}
	free(m.columns);
	free(memory);
	return fine;
}
