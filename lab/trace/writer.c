/* writer.c - a recording from events in global order: for imports and generated input. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe/xxh64.h"
#include "trace/trace.h"

enum { ZSTD_LEVEL = 3, FRAMES_CAP = 1 << 15, DEPTH_MAX = 256, LANES_MAX = 256, SEEN = 1024 };

struct lane { /* one thread's events, until there are enough for a block */
	struct trace_raw raw[TRACE_ENCODE_MAX];
	size_t count;
	uint32_t thread;
	uint64_t used;      /* events of all threads before its last one */
	struct lane *chain; /* threads of equal hash */
	uint64_t *frames;
	size_t frames_len;
	uint32_t seen[SEEN]; /* by hash: index in frames of a stack */
};

struct trace_writer {
	FILE *out;
	struct trace_file_head head;
	struct trace_coder *coder;
	struct lane *lanes[LANES_MAX]; /* by hash of the thread: chains */
	size_t count;                  /* at most LANES_MAX: the one idle longest makes room */
	struct lane *last;
	uint64_t last_tick, events;
	const char *fault; /* static text of the first failure */
};

struct trace_writer *trace_writer_open(const char *path, const struct trace_file_head *head,
    struct trace_error *e)
{
	struct trace_writer *const w = calloc(1, sizeof *w);
	void *const mem = w != NULL ? calloc(1, trace_coder_size()) : NULL;

	if (mem == NULL || (w->coder = trace_coder_init(mem, trace_coder_size(), ZSTD_LEVEL)) ==
	    NULL) {
		trace_fail(e, TRACE_NOWHERE, "no memory for the encoder");
		goto fail;
	}
	w->out = fopen(path, "wbe");
	if (w->out == NULL) {
		trace_fail(e, TRACE_NOWHERE, "%s", strerror(errno));
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

/* Not inline: gcc 12 then takes the block for a pointer into its caller's frame, and warns. */
__attribute__((noinline)) static void flush(struct trace_writer *w, struct lane *l)
{
	size_t len;
	const struct trace_block_info info = {.thread = l->thread, .stacks = w->head.stacks,
	    .frames = l->frames, .frames_len = l->frames_len,
	    .now_tick = w->last_tick, .now_ns = w->last_tick};

	if (l->count == 0)
		return;
	const void *const block = trace_encode(w->coder, &info, l->raw, l->count, &len);
	if (block != NULL)
		fwrite(block, 1, len, w->out);
	else
		w->fault = "a block does not fit the limits of the format";
	l->count = 0;
	l->frames_len = 1; /* index 0 means none */
	memset(l->seen, 0, sizeof l->seen);
}

static struct lane **chain_of(struct trace_writer *w, uint32_t thread)
{
	return &w->lanes[thread * 0x9e3779b1u >> 24];
}

/* The lane idle longest, out of its chain and empty. */
static struct lane *recycle(struct trace_writer *w)
{
	struct lane *idle = NULL, **at;

	for (size_t i = 0; i < LANES_MAX; i++)
		for (struct lane *l = w->lanes[i]; l != NULL; l = l->chain)
			if (idle == NULL || l->used < idle->used)
				idle = l;
	flush(w, idle);
	for (at = chain_of(w, idle->thread); *at != idle; at = &(*at)->chain)
		;
	*at = idle->chain;
	return idle;
}

static struct lane *make(struct trace_writer *w)
{
	struct lane *const l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	if (w->head.stacks > TRACE_CALLER && (l->frames = calloc(FRAMES_CAP, sizeof *l->frames)) ==
	    NULL) {
		free(l);
		return NULL;
	}
	l->frames_len = 1;
	w->count++;
	return l;
}

static struct lane *lane_of(struct trace_writer *w, uint32_t thread)
{
	struct lane *l = w->last;

	if (l != NULL && l->thread == thread)
		return l;
	for (l = *chain_of(w, thread); l != NULL && l->thread != thread; l = l->chain)
		;
	if (l == NULL) {
		l = w->count < LANES_MAX ? make(w) : recycle(w);
		if (l == NULL)
			return NULL;
		l->thread = thread;
		l->chain = *chain_of(w, thread);
		*chain_of(w, thread) = l;
	}
	return w->last = l;
}

static uint64_t keep_frames(struct lane *l, const uint64_t *frames, size_t depth)
{
	const size_t at = l->frames_len;
	uint64_t h = depth;

	if (frames == NULL || depth == 0)
		return 0;
	for (size_t i = 0; i < depth; i++)
		h = (h ^ frames[i]) * 0x9e3779b97f4a7c15u;
	uint32_t *const seen = &l->seen[h >> 54];
	if (*seen != 0 && l->frames[*seen] == depth &&
	    memcmp(&l->frames[*seen + 1], frames, depth * sizeof *frames) == 0)
		return *seen;
	*seen = (uint32_t)at;
	l->frames[at] = depth;
	memcpy(&l->frames[at + 1], frames, depth * sizeof *frames);
	l->frames_len += depth + 1;
	return at;
}

void trace_writer_event(struct trace_writer *w, const struct trace_event *ev,
    const uint64_t *frames,
    size_t depth)
{
	struct lane *const l = lane_of(w, ev->thread);

	if (l == NULL) {
		w->fault = "no memory for one more thread";
		return;
	}
	depth = depth < DEPTH_MAX ? depth : DEPTH_MAX;
	if (l->count + 2 > TRACE_ENCODE_MAX || l->frames_len + depth + 1 > FRAMES_CAP)
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
	l->used = ++w->events;
}

static void close_lanes(struct trace_writer *w)
{
	for (size_t i = 0; i < LANES_MAX; i++)
		for (struct lane *l = w->lanes[i], *next; l != NULL; l = next) {
			next = l->chain;
			flush(w, l);
			free(l->frames);
			free(l);
		}
}

bool trace_writer_failed(const struct trace_writer *w)
{
	return w->fault != NULL || ferror(w->out) != 0;
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
		trace_fail(e, TRACE_NOWHERE, "cannot write: %s", strerror(failed));
	else if (w->fault != NULL)
		trace_fail(e, TRACE_NOWHERE, "%s", w->fault);
	const bool fine = failed == 0 && w->fault == NULL;
	free(w->coder);
	free(w);
	return fine;
}
