/* import.c - lines, numbers, ticks and texts: the part that all importers share. */
#include "import/import.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/array.h"

enum { TEXT_LEN = 64 << 10, TEXT_LINE = 8 << 10, SHOWN = 60, KINDS = TRACE_SYMBOLS + 1 };

#define PLACE_FIRST 0x10000u
#define PLACE_SIZE_MAX ((uint64_t)1 << 47)
#define TICK_MAX ((uint64_t)1 << 56)

struct import_text { /* lines that wait to become a block */
	char bytes[KINDS][TEXT_LEN];
	size_t len[KINDS];
};

bool import_begin(struct import *im, struct import_source source)
{
	im->source = source;
	im->top = PLACE_FIRST;
	im->buf = malloc(IMPORT_LINE_MAX + 1);
	im->text = calloc(1, sizeof *im->text);
	return im->buf != NULL && im->text != NULL;
}

void import_end(struct import *im)
{
	free(im->buf);
	free(im->text);
}

bool import_fail(struct import *im, const char *format, ...)
{
	va_list args;

	if (im->error[0] != '\0')
		return false; /* the first one is the cause */
	const int n = snprintf(im->error, sizeof im->error, "line %llu: ",
	    (unsigned long long)im->number);
	va_start(args, format);
	vsnprintf(im->error + n, sizeof im->error - (size_t)n, format, args);
	va_end(args);
	for (char *c = im->error; *c != '\0'; c++)
		if ((unsigned char)*c < ' ') /* the file's own bytes must not drive a terminal */
			*c = '?';
	return false;
}

/* ---- lines --------------------------------------------------------------------------------- */

/* im->piece: what is not yet used of the source's last piece. */
static bool next_piece(struct import *im)
{
	const ssize_t n = im->source.read(im->source.arg, &im->piece, im->error);
	im->piece_len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool line_from_buf(struct import *im)
{
	im->line = im->buf;
	im->len = im->held;
	if (im->len > 0 && im->line[im->len - 1] == '\r')
		im->len--;
	im->line[im->len] = '\0';
	im->held = 0;
	im->number++;
	if (memchr(im->line, '\0', im->len) != NULL)
		return import_fail(im, "a zero byte: not a text file");
	return true;
}

bool import_line(struct import *im)
{
	if (im->again) {
		im->again = false;
		return true;
	}
	if (im->error[0] != '\0' || im->cut)
		return false;
	for (;;) {
		if (im->piece_len == 0 && !next_piece(im)) {
			im->cut = im->held != 0;
			return im->error[0] == '\0' && im->cut && line_from_buf(im);
		}
		const char *const end = memchr(im->piece, '\n', im->piece_len);
		const size_t n = end != NULL ? (size_t)(end - im->piece) : im->piece_len;
		if (im->held + n > IMPORT_LINE_MAX) {
			im->number++;
			return import_fail(im, "longer than %d bytes", IMPORT_LINE_MAX);
		}
		memcpy(im->buf + im->held, im->piece, n);
		im->held += n;
		im->piece += n + (end != NULL);
		im->piece_len -= n + (end != NULL);
		if (end != NULL)
			return line_from_buf(im);
	}
}

size_t import_words(struct import *im, char **word, size_t most)
{
	size_t count = 0;
	char *at = im->line;

	for (;;) {
		at += strspn(at, " \t");
		if (*at == '\0')
			return count;
		if (count == most)
			return most + 1;
		word[count++] = at;
		at += strcspn(at, " \t");
		if (*at != '\0')
			*at++ = '\0';
	}
}

static unsigned digit(char c)
{
	return c >= '0' && c <= '9' ? (unsigned)(c - '0')
	    : c >= 'a' && c <= 'f'  ? (unsigned)(c - 'a' + 10)
	    : c >= 'A' && c <= 'F'  ? (unsigned)(c - 'A' + 10)
	                            : 16;
}

bool import_number(struct import *im, const char *word, unsigned base, uint64_t limit, uint64_t *x)
{
	const char *at = word;
	bool over = false;

	*x = 0;
	if (base == 16 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
		at += 2;
	if (*at == '\0')
		return import_fail(im, "'%.*s' is not a number", SHOWN, word);
	for (; *at != '\0'; at++) {
		const unsigned d = digit(*at);
		if (d >= base)
			return import_fail(im, "'%.*s' is not a %snumber", SHOWN, word,
			    base == 16 ? "hexadecimal " : "");
		over |= __builtin_mul_overflow(*x, (uint64_t)base, x);
		over |= __builtin_add_overflow(*x, (uint64_t)d, x);
	}
	return (!over && *x < limit) || import_fail(im, "%.*s is too large", SHOWN, word);
}

/* ---- what goes out ------------------------------------------------------------------------- */

uint64_t import_tick(struct import *im, uint64_t ns)
{
	im->timed |= ns != 0;
	im->tick = max_size(im->tick + 1, ns < TICK_MAX ? ns : 0);
	return im->tick;
}

uint64_t import_place(struct import *im, uint64_t size)
{
	const uint64_t at = im->top;

	if (size > PLACE_SIZE_MAX || at > IMPORT_ADDRESS_MAX - 2 * PLACE_SIZE_MAX) {
		import_fail(im, "%llu bytes more than there are addresses for",
		    (unsigned long long)size);
		return 0;
	}
	im->top += max_size(32, round_down(size + 23, 16)); /* the predictor's next chunk */
	return at;
}

void import_event(struct import *im, struct trace_event *ev, const uint64_t *frames, size_t depth)
{
	ev->class = trace_class[ev->op];
	trace_writer_event(im->writer, ev, frames, depth);
	if (++im->events % 4096 == 0 && trace_writer_failed(im->writer))
		import_fail(im, "the recording cannot be written");
}

static void flush_text(struct import *im, enum trace_kind kind)
{
	if (im->text->len[kind] != 0)
		trace_writer_text(im->writer, kind, im->text->bytes[kind], im->text->len[kind]);
	im->text->len[kind] = 0;
}

void import_say(struct import *im, enum trace_kind kind, const char *format, ...)
{
	va_list args;

	if (im->text->len[kind] + TEXT_LINE > TEXT_LEN)
		flush_text(im, kind);
	char *const at = im->text->bytes[kind] + im->text->len[kind];
	va_start(args, format);
	const int n = vsnprintf(at, TEXT_LINE - 1, format, args);
	va_end(args);
	const size_t len = min_size(n > 0 ? (size_t)n : 0, TEXT_LINE - 2);
	at[len] = '\n';
	im->text->len[kind] += len + 1;
}

void import_note(struct import *im, const char *format, ...)
{
	va_list args;
	const size_t n = strlen(im->note);

	snprintf(im->note + n, sizeof im->note - n, "%s", n != 0 ? "; " : "");
	const size_t m = strlen(im->note);
	va_start(args, format);
	vsnprintf(im->note + m, sizeof im->note - m, format, args);
	va_end(args);
}

bool import_room(struct import *im, void **table, size_t *cap, size_t need, size_t size)
{
	size_t more = max_size(*cap, 1024);

	if (need <= *cap)
		return true;
	while (more < need)
		more *= 2;
	if (im->tables + (more - *cap) * size > IMPORT_TABLES_MAX)
		return import_fail(im, "strings, stacks and ids want more than %zu MiB",
		    IMPORT_TABLES_MAX >> 20);
	im->tables += (more - *cap) * size;
	return array_reserve(table, cap, more, size) ||
	    import_fail(im, "no memory for a table of %zu MiB", more * size >> 20);
}

void import_flush(struct import *im)
{
	for (int kind = TRACE_META; kind < KINDS; kind++)
		flush_text(im, (enum trace_kind)kind);
}

bool import_run(struct import *im)
{
	const bool fine = im->format->run(im) && im->error[0] == '\0';

	import_flush(im);
	return fine;
}
