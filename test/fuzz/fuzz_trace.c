/* fuzz_trace.c - libFuzzer gives dmm's readers damaged recordings and files of other tools.
 *
 * DMM_FUZZ_TARGET names what the bytes are:
 *
 *   reader    a file, read as it is
 *   sealed    a file whose checksums are made right first, so that what is behind them is reached
 *   columns   the unpacked payloads of blocks: packed and sealed first.  A byte each for thread and
 *             events, then the length of the payload in two, then the payload
 *   rep, android, mtrace, heaptrack
 *             a text to import; the recording that comes of it must be sound to the last event
 *
 * Whatever the bytes are, an error must say where it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "import/import.h"
#include "observe/xxh64.h"
#include "trace/stream.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { FILE_MAX = 4 << 20 };

static const char *target;
static const struct import_format *format;
static int fd;
static char path[64];
static uint8_t bytes[FILE_MAX];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	target = getenv("DMM_FUZZ_TARGET");
	if (target == NULL)
		target = "sealed";
	for (size_t i = 0; import_formats[i] != NULL; i++)
		if (strcmp(import_formats[i]->name, target) == 0)
			format = import_formats[i];
	fd = memfd_create("fuzz", 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return 0;
}

static void expect(bool fine, const char *what, const char *error)
{
	if (fine)
		return;
	fprintf(stderr, "fuzz: %s: %s: %s\n", target, what, error);
	abort();
}

static void look(void *arg, const char *text, size_t len)
{
	*(size_t *)arg += strnlen(text, len);
}

/* All of it, as dmm info reads it.  Returns the events; *e: where it is damaged. */
static uint64_t read_all(const char *name, struct trace_error *e)
{
	struct trace_file f;
	struct trace_stream s;
	struct step step;
	size_t text = 0;
	int r;

	e->text[0] = '\0';
	if (!trace_file_open(&f, name, e))
		return 0;
	for (int kind = TRACE_META; kind <= TRACE_SYMBOLS; kind++)
		trace_file_texts(&f, (enum trace_kind)kind, look, &text, e);
	if (!trace_stream_open(&s, &f))
		abort();
	while ((r = trace_stream_next(&s, &step, e)) > 0)
		for (uint32_t n = step.ev.stack; n != 0; n = trace_reader_node(s.reader, n)->parent)
			expect(n <= trace_reader_nodes(s.reader), "stack node", "out of range");
	if (r == 0 && f.damage.text[0] != '\0')
		*e = f.damage;
	const uint64_t events = s.events;
	trace_stream_close(&s);
	trace_file_close(&f);
	return events;
}

static void set_file(const uint8_t *data, size_t len)
{
	if (ftruncate(fd, 0) != 0 || pwrite(fd, data, len, 0) != (ssize_t)len)
		abort();
}

static void read_file(const uint8_t *data, size_t len)
{
	struct trace_error e;

	set_file(data, len);
	read_all(path, &e);
	expect(e.text[0] == '\0' || strncmp(e.text, "offset ", 7) == 0,
	    "an error without its offset", e.text);
}

/* ---- recordings ----------------------------------------------------------------------------- */

static void seal_head(uint8_t *at)
{
	struct trace_file_head h;

	memcpy(&h, at, sizeof h);
	h.magic = TRACE_FILE_MAGIC;
	h.version = TRACE_VERSION;
	h.head_len = sizeof h;
	h.stacks %= TRACE_DWARF + 1;
	h.checksum = (uint32_t)xxh64(&h, sizeof h - sizeof h.checksum, 0);
	memcpy(at, &h, sizeof h);
}

static void sealed(const uint8_t *data, size_t len)
{
	struct trace_block_head h;

	if (len < sizeof(struct trace_file_head) || len > FILE_MAX)
		return;
	memcpy(bytes, data, len);
	seal_head(bytes);
	for (size_t at = sizeof(struct trace_file_head); at + sizeof h <= len;) {
		memcpy(&h, bytes + at, sizeof h);
		h.kind = (uint16_t)(1 + (h.kind + TRACE_SYMBOLS - 1) % TRACE_SYMBOLS);
		if (h.packed_len > len - at - sizeof h)
			h.packed_len = (uint32_t)(len - at - sizeof h);
		trace_block_seal(&h, bytes + at + sizeof h);
		memcpy(bytes + at, &h, sizeof h);
		at += sizeof h + h.packed_len;
	}
	read_file(bytes, len);
}

/* One block of events from the input; returns its length in the file. */
static size_t pack_block(uint8_t *at, const uint8_t *payload, size_t len, uint32_t thread,
    uint32_t events)
{
	struct trace_block_head h = {.kind = TRACE_EVENTS, .raw_len = (uint32_t)len,
	    .thread = thread,
	    .events = events, .first_tick = 1000, .last_tick = 1000};

	h.packed_len = (uint32_t)ZSTD_compress(at + sizeof h, ZSTD_compressBound(len), payload, len,
	    1);
	trace_block_seal(&h, at + sizeof h);
	memcpy(at, &h, sizeof h);
	return sizeof h + h.packed_len;
}

static void columns(const uint8_t *data, size_t len)
{
	size_t to = sizeof(struct trace_file_head), from = 1;

	if (len == 0)
		return;
	memset(bytes, 0, to);
	bytes[24] = data[0]; /* the kind of stacks */
	seal_head(bytes);
	while (len - from > 4 && to + 2 * len < FILE_MAX) {
		size_t n = data[from + 2] | (size_t)data[from + 3] << 8;
		n = n < len - from - 4 ? n : len - from - 4;
		to += pack_block(bytes + to, data + from + 4, n, data[from] % 4u, data[from + 1]);
		from += 4 + n;
	}
	read_file(bytes, to);
}

/* ---- imports -------------------------------------------------------------------------------- */

struct text {
	const char *data;
	size_t len, at;
};

/* In pieces of 61 bytes: lines cross them. */
static ssize_t read_text(void *arg, const char **piece, char *error)
{
	struct text *const t = arg;
	const size_t n = t->len - t->at < 61 ? t->len - t->at : 61;

	(void)error;
	*piece = t->data + t->at;
	t->at += n;
	return (ssize_t)n;
}

static void import(const uint8_t *data, size_t len)
{
	struct text text = {(const char *)data, len, 0};
	struct import im = {.format = format, .scrub = len % 2 != 0};
	struct trace_error e;

	if (!import_begin(&im, (struct import_source){read_text, &text}))
		abort();
	if (!import_choose(&im)) {
		import_end(&im);
		return;
	}
	const struct trace_file_head head = {.stacks = format->stacks, .tick_is_ns = 1};
	im.writer = trace_writer_open(path, &head, &e);
	const bool fine = import_run(&im);
	expect(fine == (im.error[0] == '\0'), "failed without a reason", im.error);
	expect(fine || strncmp(im.error, "line ", 5) == 0, "an error without its line", im.error);
	expect(trace_writer_close(im.writer, &e), "cannot be written", e.text);
	const uint64_t events = read_all(path, &e);
	expect(e.text[0] == '\0', "what was imported is damaged", e.text);
	expect(events == im.events, "events were lost", "");
	import_end(&im);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (format != NULL)
		import(data, len);
	else if (strcmp(target, "columns") == 0)
		columns(data, len);
	else if (strcmp(target, "sealed") == 0)
		sealed(data, len);
	else
		read_file(data, len);
	return 0;
}
