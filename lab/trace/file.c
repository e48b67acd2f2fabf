/* file.c - the heads of a recording's blocks: checked, and indexed by time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/array.h"
#include "cli/input.h"
#include "cli/read_at.h"
#include "observe/xxh64.h"
#include "trace/trace.h"
#include "trace/private.h"
#include "trace/tape.h"

const char *const trace_op_name[TRACE_OPS] = {"none", "malloc", "calloc", "memalign",
    "aligned_alloc",
    "posix_memalign", "valloc", "pvalloc", "new", "new[]", "new aligned", "new[] aligned",
    "realloc",
    "reallocarray", "free", "free_sized", "free_aligned_sized", "delete", "delete[]",
    "delete sized",
    "delete[] sized", "delete aligned", "delete[] aligned", "delete aligned sized",
    "delete[] aligned sized"};

bool trace_file_read(const struct trace_file *f, void *buf, size_t n, uint64_t at)
{
	const uint64_t written = f->len - f->tail_len;

	if (at >= written) {
		if (at > f->len || n > f->len - at)
			return false;
		memcpy(buf, f->tail + (at - written), n);
		return true;
	}
	return read_at(f->fd, buf, n, (off_t)at);
}

static bool check_head(struct trace_file *f, struct trace_error *e)
{
	const struct trace_file_head *const h = &f->head;

	if (f->len < sizeof *h || !trace_file_read(f, &f->head, sizeof *h, 0))
		return trace_fail(e, 0, "not a recording: shorter than a file head (%zu bytes); "
		    "'dmm import' reads other tools' formats",
		    sizeof *h);
	if (h->magic != TRACE_FILE_MAGIC)
		return trace_fail(e, 0, "not a recording: it does not begin with "
		    "\"dmmtrace\"; 'dmm import' reads other tools' formats");
	if (h->version < TRACE_VERSION_OLDEST || h->version > TRACE_VERSION)
		return trace_fail(e, 8, "version %u of the format; this dmm reads versions "
		    "%u to %u", h->version, TRACE_VERSION_OLDEST, TRACE_VERSION);
	if (h->head_len != sizeof *h)
		return trace_fail(e, 12, "file head of %u bytes, not %zu", h->head_len, sizeof *h);
	if (h->checksum != (uint32_t)xxh64(h, sizeof *h - sizeof h->checksum, 0))
		return trace_fail(e, 60, "T1 checksum: the file head is damaged");
	if (h->stacks > TRACE_DWARF)
		return trace_fail(e, 24, "T2 bounds: kind of stacks %u", h->stacks);
	return true;
}

static bool check_block(const struct trace_file *f, const struct trace_block_head *h, uint64_t at,
    struct trace_error *e)
{
	if (h->magic != TRACE_BLOCK_MAGIC)
		return trace_fail(e, at, "no block begins here");
	if (h->packed_len > TRACE_PACKED_MAX || h->raw_len > TRACE_RAW_MAX ||
	    h->events > TRACE_EVENTS_MAX || h->kind < TRACE_META || h->kind > TRACE_SYMBOLS)
		return trace_fail(e, at, "T2 bounds: kind %u, %u events, %u bytes of %u", h->kind,
		    h->events,
		    h->packed_len, h->raw_len);
	if (h->packed_len > f->len - at - sizeof *h)
		return trace_fail(e, at, "truncated: a block of %u bytes, %llu left in the file",
		    h->packed_len, (unsigned long long)(f->len - at - sizeof *h));
	if (h->first_tick > h->last_tick)
		return trace_fail(e, at, "T3 order: ends at tick %llu, before it begins at %llu",
		    (unsigned long long)h->last_tick, (unsigned long long)h->first_tick);
	return true;
}

bool trace_file_block(const struct trace_file *f, uint64_t at, struct trace_block_head *h,
    struct trace_error *e)
{
	if (f->len - at < sizeof *h || !trace_file_read(f, h, sizeof *h, at))
		return trace_fail(e, at, "truncated: %llu bytes are left, a block head has %zu",
		    (unsigned long long)(f->len - at), sizeof *h);
	return check_block(f, h, at, e);
}

static bool remember(struct trace_file *f, const struct trace_block_head *h, uint64_t at)
{
	if (!ARRAY_RESERVE(f->blocks, f->cap, f->count + 1))
		return false;
	f->blocks[f->count++] = (struct trace_index){at, h->first_tick, h->last_tick, h->thread,
	    h->events, h->packed_len, h->raw_len};
	f->events += h->events;
	return true;
}

static int by_thread(const void *a, const void *b)
{
	const struct trace_index *const x = a, *const y = b;

	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_time(const void *a, const void *b)
{
	const struct trace_index *const x = a, *const y = b;

	if (x->first_tick != y->first_tick)
		return x->first_tick < y->first_tick ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* T3, and the index in the order in which blocks are opened. */
static bool sort_blocks(struct trace_file *f, struct trace_error *e)
{
	if (f->count == 0)
		return true;
	qsort(f->blocks, f->count, sizeof *f->blocks, by_thread);
	for (size_t i = 1; i < f->count; i++) {
		const struct trace_index *const b = &f->blocks[i];
		if (b[-1].thread == b->thread && b->first_tick < b[-1].last_tick)
			return trace_fail(e, b->offset, "T3 order: thread %u goes back in time",
			    b->thread);
	}
	qsort(f->blocks, f->count, sizeof *f->blocks, by_time);
	return true;
}

/* From `at` to the end of the file, or to damage. */
static bool read_heads(struct trace_file *f, uint64_t at, struct trace_error *e)
{
	struct trace_block_head h;

	for (; at < f->len; at += sizeof h + h.packed_len) {
		if (!trace_file_block(f, at, &h, &f->damage))
			break;
		if (h.kind == TRACE_EVENTS && h.events > 0 && !remember(f, &h, at))
			return trace_fail(e, at, "no memory for an index of %zu blocks", f->count);
		f->begun |= h.kind != TRACE_META;
		f->ended |= h.kind == TRACE_END;
		if (h.kind == TRACE_END && h.now_tick > f->end_tick)
			f->end_tick = h.now_tick;
		if (h.now_tick > f->late_tick && h.now_ns > f->late_ns) {
			f->late_tick = h.now_tick;
			f->late_ns = h.now_ns;
		}
		if (h.anon_kib > f->peak_anon_kib)
			f->peak_anon_kib = h.anon_kib;
	}
	f->sound_len = at;
	f->ns_per_tick = f->head.tick_is_ns || f->late_tick == f->head.start_tick
	    ? 1.0 : (double)(f->late_ns - f->head.start_ns) /
	    (double)(f->late_tick - f->head.start_tick);
	return true;
}

/* A process that was killed while it wrote left half a block: it is still whole on the tape. */
static void forget_half_a_block(struct trace_file *f)
{
	if (strstr(f->damage.text, "truncated") == NULL)
		return;
	f->len = f->sound_len;
	f->damage.text[0] = '\0';
}

/* Behind what is known of the damage of T itself. */
static void note_damage(struct trace_file *f, const char *text)
{
	const size_t n = strlen(f->damage.text);

	snprintf(f->damage.text + n, sizeof f->damage.text - n, "%s%s", n != 0 ? "; " : "", text);
}

/* The calls that T.tape had and this reader has not.  trace_settle() removes a tape that was cut
 * short, and META keeps the fact.  The process writes MAPS behind META as soon as its tape is
 * complete.  So a blank tape of a dead process was emptied if there is MAPS; it was never used if T
 * is sound and has none. */
static void note_problem(struct trace_file *f, struct trace_tape *t)
{
	char text[sizeof f->damage.text];

	if (t->blank && !t->running && (f->begun || f->sound_len != f->len))
		trace_tape_note_cut(t);
	f->tape_stays = t->stays;
	f->tape_cut = t->cut;
	if (t->problem.text[0] != '\0')
		note_damage(f, t->problem.text);
	else if (trace_file_value(f, TRACE_META, TRACE_TAPE_LOST, text, sizeof text))
		note_damage(f, text);
}

static bool read_blocks(struct trace_file *f, struct trace_tape *t, struct trace_error *e)
{
	f->late_tick = f->head.start_tick;
	f->late_ns = f->head.start_ns;
	if (!read_heads(f, sizeof f->head, e))
		return false;
	f->running = t->running;
	if (t->image != NULL) {
		forget_half_a_block(f);
		if (!trace_tape_blocks(t, f, e))
			return false;
		f->len += f->tail_len;
		if (f->damage.text[0] == '\0' && !read_heads(f, f->sound_len, e))
			return false;
	}
	note_problem(f, t);
	return sort_blocks(f, e);
}

bool trace_file_open(struct trace_file *f, const char *path, struct trace_error *e)
{
	struct stat st;
	struct trace_tape tape;
	bool fine = false;

	*f = (struct trace_file){.fd = input_open(path), .path = path};
	if (f->fd < 0)
		return trace_fail(e, TRACE_NOWHERE, "%s", input_why(errno));
	if (!trace_tape_copy(&tape, path))
		trace_fail(e, TRACE_NOWHERE, "no memory for what was not yet written");
	else if (fstat(f->fd, &st) != 0)
		trace_fail(e, TRACE_NOWHERE, "%s", strerror(errno));
	else {
		f->len = (uint64_t)st.st_size;
		fine = check_head(f, e) && read_blocks(f, &tape, e);
	}
	trace_tape_free(&tape);
	if (!fine)
		trace_file_close(f);
	return fine;
}

void trace_file_close(struct trace_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->blocks);
	free(f->tail);
	f->blocks = NULL;
	f->tail = NULL;
	f->tail_cap = 0;
	f->fd = -1;
}

uint64_t trace_file_ns(const struct trace_file *f, uint64_t tick)
{
	const uint64_t since = tick > f->head.start_tick ? tick - f->head.start_tick : 0;
	return f->head.tick_is_ns ? since : (uint64_t)((double)since * f->ns_per_tick);
}

bool trace_file_texts(const struct trace_file *f, enum trace_kind kind, trace_visit_text *visit,
    void *arg, struct trace_error *e)
{
	struct trace_block_head h;

	for (uint64_t at = sizeof f->head; at < f->sound_len; at += sizeof h + h.packed_len) {
		if (!trace_file_block(f, at, &h, e))
			return false;
		if (h.kind != kind || kind == TRACE_EVENTS)
			continue;
		char *const text = trace_file_payload(f, at, &h, e);
		if (text == NULL)
			return false;
		visit(arg, text, h.packed_len);
		free(text);
	}
	return true;
}

char *trace_file_payload(const struct trace_file *f, uint64_t at, const struct trace_block_head *h,
    struct trace_error *e)
{
	char *const payload = malloc((size_t)h->packed_len + 1);

	if (payload == NULL) {
		trace_fail(e, at, "no memory for a block of %u bytes", h->packed_len);
		return NULL;
	}
	payload[h->packed_len] = '\0';
	const uint64_t of_head = xxh64(h, sizeof *h - sizeof h->checksum, 0);
	if (!trace_file_read(f, payload, h->packed_len, at + sizeof *h))
		trace_fail(e, at, "truncated: a block of %u bytes", h->packed_len);
	else if ((uint32_t)xxh64(payload, h->packed_len, of_head) != h->checksum)
		trace_fail(e, at, "T1 checksum: the block is damaged");
	else
		return payload;
	free(payload);
	return NULL;
}

struct wanted {
	const char *key;
	char *buf;
	size_t cap;
	bool found;
};

static void look_for(void *arg, const char *text, size_t len)
{
	struct wanted *const w = arg;
	const size_t n = strlen(w->key);

	(void)len;
	for (const char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, w->key, n) != 0 || line[n] != '=')
			continue;
		snprintf(w->buf, w->cap, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
		w->found = true;
		return;
	}
}

bool trace_file_value(const struct trace_file *f, enum trace_kind kind, const char *key, char *buf,
    size_t cap)
{
	struct wanted w = {key, buf, cap, false};
	struct trace_error ignored;

	trace_file_texts(f, kind, look_for, &w, &ignored);
	return w.found;
}

int trace_file_signal(const struct trace_file *f)
{
	char text[16];
	return trace_file_value(f, TRACE_META, "signal", text, sizeof text) ? atoi(text) : 0;
}
