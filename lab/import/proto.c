/* proto.c - the .trace files of malloc-bench (github.com/ClaytonKnittel/malloc-bench): protocol
 * buffers, often in gzip.
 *
 *   Tracefile   1: line, repeated      2: most objects at one time
 *   line        one of   1: malloc   { 1: result   2: size     3: alignment }
 *                        2: free     { 1: object   2: size as a hint }
 *                        3: realloc  { 1: result   2: object   3: size }
 *                        4: calloc   { 1: result   2: count    3: size }
 *
 * On the wire a field is a tag, number * 8 + kind, and then a varint (kind 0) or a length and so
 * many bytes (kind 2).  Objects are numbers, which a file uses again; a field that is left out is
 * 0.  A realloc without an object is one of NULL, as a free without one is; a call without a result
 *    gave NULL.  There
 * are no times, no threads, no addresses.
 */
#include <inttypes.h>
#include <string.h>

#include "import/ids.h"

enum { VARINT = 0, BYTES = 2, FIELDS = 4, LINE_MAX_LEN = 64 };
enum { MALLOC = 1, FREE = 2, REALLOC = 3, CALLOC = 4 };

struct proto {
	struct import *im;
	struct ids ids;
	uint64_t offset; /* of the next byte in the file, unpacked */
};

struct proto_call {
	unsigned op;              /* 0: none yet */
	uint64_t field[FIELDS];   /* [0] is not used */
	bool given[FIELDS];
};

static bool fail(struct proto *p, const char *what)
{
	p->im->number = 0;
	import_fail(p->im, "%s", what);
	snprintf(p->im->error, sizeof p->im->error, "offset %" PRIu64 ": %s", p->offset, what);
	return false;
}

/* The next byte; -1: there is none. */
static int next_byte(struct proto *p)
{
	struct import *const im = p->im;

	if (im->piece_len == 0) {
		const ssize_t n = im->source.read(im->source.arg, &im->piece, im->error);
		im->piece_len = n > 0 ? (size_t)n : 0;
	}
	if (im->piece_len == 0)
		return -1;
	im->piece_len--;
	p->offset++;
	return (unsigned char)*im->piece++;
}

static bool read_varint(struct proto *p, uint64_t *x)
{
	*x = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		const int byte = next_byte(p);
		if (byte < 0)
			return fail(p, "truncated inside of a number");
		*x |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return true;
	}
	return fail(p, "a number has more than 64 bits");
}

/* The fields of a call, up to offset `end`. */
static bool read_call(struct proto *p, struct proto_call *c, uint64_t end)
{
	while (p->offset < end) {
		uint64_t tag, x;
		if (!read_varint(p, &tag) || !read_varint(p, &x))
			return false;
		if (tag % 8 != VARINT || tag / 8 == 0)
			return fail(p, "a field of a call is no number");
		if (tag / 8 < FIELDS) {
			c->field[tag / 8] = x;
			c->given[tag / 8] = true;
		}
	}
	return p->offset == end || fail(p, "a call is longer than it says");
}

static bool perform_realloc(struct proto *p, const struct proto_call *c)
{
	const uint64_t *const f = c->field;

	if (c->given[1])
		return c->given[2] ? ids_resize(&p->ids, f[2], f[1], f[3])
		                   : ids_allocate(&p->ids, TRACE_OP_REALLOC, f[1], f[3]);
	return c->given[2] && f[3] == 0 ? ids_release(&p->ids, f[2])
	                                : ids_refuse(&p->ids, TRACE_OP_REALLOC, f[3]);
}

static bool perform_malloc(struct proto *p, const struct proto_call *c)
{
	const uint64_t id = c->field[1], size = c->field[2], align = c->field[3];

	if (!c->given[1])
		return ids_refuse(&p->ids, TRACE_OP_MALLOC, size);
	if (align <= 1)
		return ids_allocate(&p->ids, TRACE_OP_MALLOC, id, size);
	if ((align & (align - 1)) != 0 || align > (uint64_t)1 << 40)
		return fail(p, "an alignment that is no power of two, or too large");
	return ids_allocate_aligned(&p->ids, id, size, (unsigned)__builtin_ctzll(align));
}

static bool perform(struct proto *p, const struct proto_call *c)
{
	const uint64_t *const f = c->field;
	uint64_t size;

	if (f[1] >= IDS_LIMIT || (c->op == REALLOC && f[2] >= IDS_LIMIT))
		return fail(p, "the number of an object is too large");
	if (c->op == FREE)
		return c->given[1] ? ids_release(&p->ids, f[1]) : ids_release_null(&p->ids);
	if (c->op == REALLOC)
		return perform_realloc(p, c);
	if (c->op == MALLOC)
		return perform_malloc(p, c);
	if (__builtin_mul_overflow(f[2], f[3], &size))
		return fail(p, "a calloc of more than 64 bits");
	return c->given[1] ? ids_allocate(&p->ids, TRACE_OP_CALLOC, f[1], size)
	                   : ids_refuse(&p->ids, TRACE_OP_CALLOC, size);
}

static bool read_line(struct proto *p)
{
	struct proto_call c = {0};
	uint64_t len, tag, inner;

	if (!read_varint(p, &len))
		return false;
	if (len > LINE_MAX_LEN)
		return fail(p, "a line is too long for a call");
	const uint64_t end = p->offset + len;
	while (p->offset < end) {
		if (!read_varint(p, &tag) || !read_varint(p, &inner))
			return false;
		if (tag % 8 != BYTES || tag / 8 < MALLOC || tag / 8 > CALLOC ||
		    inner > end - p->offset)
			return fail(p, "a line holds none of malloc, free, realloc, calloc");
		c = (struct proto_call){.op = (unsigned)(tag / 8)};
		if (!read_call(p, &c, p->offset + inner))
			return false;
	}
	if (c.op == 0)
		return true; /* an empty line */
	if (perform(p, &c))
		return true;
	if (strncmp(p->im->error, "line ", 5) == 0) { /* text formats count lines */
		char why[IMPORT_ERROR_LEN];
		snprintf(why, sizeof why, "%s", strchr(p->im->error, ':') + 2);
		snprintf(p->im->error, sizeof p->im->error, "offset %" PRIu64 ": %.200s", p->offset,
		    why);
	}
	return false;
}

static bool run_proto(struct import *im)
{
	struct proto p = {.im = im};
	bool fine = ids_open(&p.ids, im);

	im->again = false;
	for (int tag; fine && (tag = next_byte(&p)) >= 0;) {
		uint64_t most;
		if (tag == (1 << 3 | BYTES))
			fine = read_line(&p);
		else if (tag == (2 << 3 | VARINT))
			fine = read_varint(&p, &most);
		else
			fine = fail(&p, "neither a line nor the number of objects");
	}
	ids_close(&p.ids);
	return fine && im->error[0] == '\0';
}

/* A line, whose length and whose call's length agree; as text it would be an empty line and
 * rubbish. */
bool import_begins_like_proto(const char *bytes, size_t len)
{
	const unsigned char *const b = (const unsigned char *)bytes;

	return len >= 4 && b[0] == (1 << 3 | BYTES) && b[1] < 128 && b[1] >= 2 &&
	    b[2] % 8 == BYTES &&
	    b[2] / 8 >= MALLOC && b[2] / 8 <= CALLOC && b[3] == b[1] - 2;
}

static bool never(const char *line)
{
	(void)line;
	return false; /* its first line is none: import_begins_like_proto() tells */
}

const struct import_format import_proto = {"proto", "malloc-bench's .trace",
    "threads, times, addresses, call sites", TRACE_NONE, never, run_proto};
