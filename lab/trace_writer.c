/* trace_writer.c - a recording from events in global order: for imports and generated input. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe/xxh64.h"
#include "trace.h"

enum { ZSTD_LEVEL = 3, FRAMES_CAP = 1 << 15, DEPTH_MAX = 256, STDIO_BUFFER = 1 << 18 };

struct lane { /* one thread's events, until there are enough for a block */
	struct trace_raw raw[TRACE_EVENTS_MAX];
	size_t count;
	uint32_t thread;
	uint64_t last_tick;
	uint64_t *frames;
	size_t frames_len;
};

struct trace_writer {
	FILE *out;
	struct trace_file_head head;
	struct trace_coder *coder;
	struct lane **lanes; /* by thread: open addressing */
	size_t cap, count;
	struct lane *last;
	uint64_t last_tick, events;
	const char *fault; /* static text of the first failure */
};

struct trace_writer *trace_writer_open(const char *path, const struct trace_file_head *head,
    struct trace_error *e)
{
	struct trace_writer *const w = calloc(1, sizeof *w);
	void *const mem = w != NULL ? calloc(1, trace_coder_size()) : NULL;

	if (mem == NULL || (w->coder = trace_coder_init(mem, trace_coder_size(), ZSTD_LEVEL)) == NULL) {
		trace_fail(e, 0, "no memory for the encoder");
		goto fail;
	}
	w->out = fopen(path, "wbe");
	if (w->out == NULL) {
		trace_fail(e, 0, "%s", strerror(errno));
		goto fail;
	}
	w->head = *head;
	w->head.magic = TRACE_FILE_MAGIC;
	w->head.version = TRACE_VERSION;
	w->head.head_len = sizeof w->head;
	w->head.checksum =
	    (uint32_t)xxh64(&w->head, sizeof w->head - sizeof w->head.checksum, 0);
	fwrite(&w->head, sizeof w->head, 1, w->out);
	return w;
fail:
	free(mem);
	free(w);
	return NULL;
}

void trace_writer_text(struct trace_writer *w, enum trace_kind kind, const char *text, size_t len)
{
	struct trace_block_head h = {.kind = (uint16_t)kind, .packed_len = (uint32_t)len,
	    .raw_len = 0, .first_tick = w->last_tick, .last_tick = w->last_tick};

	while (len > TRACE_RAW_MAX) { /* cut behind a line */
		const char *const cut = memrchr(text, '\n', TRACE_RAW_MAX);
		const size_t part = cut != NULL ? (size_t)(cut + 1 - text) : TRACE_RAW_MAX;
		trace_writer_text(w, kind, text, part);
		text += part;
		len -= part;
	}
	h.packed_len = (uint32_t)len;
	trace_block_seal(&h, text);
	fwrite(&h, sizeof h, 1, w->out);
	fwrite(text, 1, len, w->out);
}

static void flush(struct trace_writer *w, struct lane *l)
{
	const struct trace_block_info info = {.thread = l->thread, .stacks = w->head.stacks,
	    .not_before = l->last_tick, .frames = l->frames, .frames_len = l->frames_len,
	    .now_tick = w->last_tick, .now_ns = w->last_tick};
	size_t len;

	if (l->count == 0)
		return;
	const void *const block = trace_encode(w->coder, &info, l->raw, l->count, &len);
	if (block == NULL)
		w->fault = "a block does not fit the limits of the format";
	else
		fwrite(block, 1, len, w->out);
	l->last_tick = block != NULL ? ((const struct trace_block_head *)block)->last_tick : 0;
	l->count = 0;
	l->frames_len = 1; /* index 0 means none */
}

static struct lane **lane_slot(const struct trace_writer *w, uint32_t thread)
{
	size_t i = thread * 0x9e3779b1u & (w->cap - 1);
	while (w->lanes[i] != NULL && w->lanes[i]->thread != thread)
		i = (i + 1) & (w->cap - 1);
	return &w->lanes[i];
}

static bool grow(struct trace_writer *w)
{
	struct lane **const old = w->lanes;
	const size_t old_cap = w->cap;

	w->cap = old_cap == 0 ? 64 : 2 * old_cap;
	w->lanes = calloc(w->cap, sizeof(struct lane *));
	if (w->lanes == NULL) {
		w->lanes = old;
		w->cap = old_cap;
		return false;
	}
	for (size_t i = 0; i < old_cap; i++)
		if (old[i] != NULL)
			*lane_slot(w, old[i]->thread) = old[i];
	free(old);
	return true;
}

static struct lane *lane_of(struct trace_writer *w, uint32_t thread)
{
	if (w->last != NULL && w->last->thread == thread)
		return w->last;
	if (2 * (w->count + 1) > w->cap && !grow(w))
		return NULL;
	struct lane **const slot = lane_slot(w, thread);
	if (*slot == NULL && (*slot = calloc(1, sizeof **slot)) != NULL) {
		(*slot)->thread = thread;
		(*slot)->frames_len = 1;
		if (w->head.stacks > TRACE_CALLER)
			(*slot)->frames = calloc(FRAMES_CAP, sizeof(uint64_t));
		w->count++;
	}
	return w->last = *slot;
}

static uint64_t keep_frames(struct lane *l, const uint64_t *frames, size_t depth)
{
	const size_t at = l->frames_len;

	if (frames == NULL || depth == 0 || l->frames == NULL)
		return 0;
	l->frames[at] = depth;
	memcpy(&l->frames[at + 1], frames, depth * sizeof *frames);
	l->frames_len += depth + 1;
	return at;
}

void trace_writer_event(struct trace_writer *w, const struct trace_event *ev, const uint64_t *frames,
    size_t depth)
{
	struct lane *const l = lane_of(w, ev->thread);

	if (l == NULL) {
		w->fault = "no memory for one more thread";
		return;
	}
	depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
	if (l->count + 2 > TRACE_EVENTS_MAX || l->frames_len + depth + 1 > FRAMES_CAP)
		flush(w, l);
	const uint64_t stack = w->head.stacks > TRACE_CALLER ? keep_frames(l, frames, depth)
	    : w->head.stacks == TRACE_CALLER && depth > 0    ? frames[0]
	                                                     : 0;
	l->raw[l->count++] =
	    (struct trace_raw){ev->tick << 8 | ev->op, ev->addr, ev->size, stack};
	if (trace_op_has_more(ev->op)) {
		const bool resize = (trace_class[ev->op] & TRACE_IS_REALLOC) != 0;
		const uint64_t align = ev->align_log2 == 0 ? 0 : (uint64_t)1 << ev->align_log2;
		l->raw[l->count++] = (struct trace_raw){0, resize ? ev->old : align, ev->tick, 0};
	}
	w->last_tick = ev->tick;
	w->events++;
}

static void close_lanes(struct trace_writer *w)
{
	for (size_t i = 0; i < w->cap; i++)
		if (w->lanes[i] != NULL)
			flush(w, w->lanes[i]);
	for (size_t i = 0; i < w->cap; i++)
		if (w->lanes[i] != NULL) {
			free(w->lanes[i]->frames);
			free(w->lanes[i]);
		}
	free(w->lanes);
}

bool trace_writer_close(struct trace_writer *w, struct trace_error *e)
{
	char text[64];

	close_lanes(w);
	const int n = snprintf(text, sizeof text, "events=%llu\n", (unsigned long long)w->events);
	trace_writer_text(w, TRACE_END, text, (size_t)n);
	const bool unwritten = ferror(w->out) != 0;
	const int failed = fclose(w->out) != 0 || unwritten ? errno : 0;
	if (failed != 0)
		trace_fail(e, 0, "cannot write: %s", strerror(failed));
	else if (w->fault != NULL)
		trace_fail(e, 0, "%s", w->fault);
	const bool fine = failed == 0 && w->fault == NULL;
	free(w->coder);
	free(w);
	return fine;
}
