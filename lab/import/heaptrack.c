/* heaptrack.c - heaptrack's recordings, version 3: heaptrack.NAME.PID.raw.zst as its library
 * writes them (heaptrack --raw), and heaptrack.NAME.PID.zst as its interpreter leaves them.
 *
 *   v VERSION FILE-VERSION            s LEN TEXT                  a string, from 1
 *   X COMMAND    I PAGE PAGES         i IP MODULE [FN FILE LINE]  an address, and its names
 *   x LEN PATH   m LEN PATH BASE ...  t IP PARENT                 a stack node, from 1
 *   c MS         R PAGES              a SIZE NODE                 a kind of call, from 0
 *
 *               raw                       interpreted
 *   allocated   + SIZE NODE PTR           + KIND
 *   freed       - PTR                     - KIND
 *   t's IP      an address                the index of an i, from 1
 *
 * All numbers are hexadecimal; strings begin with their length.  An interpreted recording does not
 * say which of several objects of one kind was freed: the youngest is taken, and addresses are made
 * up.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "import/import.h"

enum { FRAMES_MAX = 256, LINE_LIMIT = 1 << 30, NAME_MAX_LEN = 180 };

struct node {
	uint64_t addr;
	uint32_t parent;
};

struct allocation_kind { /* of allocation: its size and stack */
	uint64_t size;
	uint32_t node, live; /* the youngest live object, 0: none */
};

struct heaptrack_object {
	uint64_t addr;
	uint32_t next; /* older, or in the list of unused entries */
};

struct heaptrack {
	struct import *im;
	bool raw;
	char *at; /* in the line: what is not yet read */
	uint64_t ns;
	char *pool; /* strings, each zero-terminated */
	size_t *strings;
	uint64_t *ips;
	struct node *nodes;
	struct allocation_kind *kinds;
	struct heaptrack_object *objects;
	size_t pool_len, string_count, ip_count, node_count, kind_count, object_count;
	size_t pool_cap, string_cap, ip_cap, node_cap, kind_cap, object_cap;
	uint32_t unused; /* objects */
};

static bool is_heaptrack(const char *line)
{
	return line[0] == 'v' && line[1] == ' ' && line[2] != '\0' &&
	    line[2 + strspn(line + 2, "0123456789abcdef ")] == '\0';
}

static bool more(struct heaptrack *h)
{
	h->at += strspn(h->at, " ");
	return *h->at != '\0';
}

static bool next_number(struct heaptrack *h, uint64_t limit, uint64_t *x)
{
	if (!more(h))
		return import_fail(h->im, "'%c' with too few numbers", h->im->line[0]);
	char *const word = h->at;
	h->at += strcspn(word, " ");
	if (*h->at != '\0')
		*h->at++ = '\0';
	return import_number(h->im, word, 16, limit, x);
}

static bool next_index(struct heaptrack *h, size_t count, uint64_t *x)
{
	return next_number(h, UINT64_MAX, x) &&
	    (*x <= count || import_fail(h->im,
	    "%" PRIx64 " points at nothing: there are %zx so far", *x, count));
}

/* Room for one more, and for index 0, which is none. */
#define ROOM(h, table, count, cap)                                                                 \
	import_room((h)->im, (void **)&(table), &(cap), (count) + 2, sizeof *(table))

/* ---- names ---------------------------------------------------------------------------------- */

/* "LEN TEXT": TEXT, which ends with the line, or (modules) with a blank. */
static char *next_text(struct heaptrack *h)
{
	uint64_t len;

	if (!next_number(h, IMPORT_LINE_MAX, &len))
		return NULL;
	char *const text = h->at;
	if (strlen(text) < len || (text[len] != '\0' && text[len] != ' ')) {
		import_fail(h->im, "a text of %" PRIu64 " bytes, not %zu", len, strlen(text));
		return NULL;
	}
	h->at += len + (text[len] != '\0');
	text[len] = '\0';
	return text;
}

static bool add_string(struct heaptrack *h)
{
	const char *const text = next_text(h);

	if (text == NULL || !ROOM(h, h->strings, h->string_count, h->string_cap))
		return false;
	const size_t len = strlen(text) + 1;
	if (!import_room(h->im, (void **)&h->pool, &h->pool_cap, h->pool_len + len, 1))
		return false;
	h->strings[++h->string_count] = h->pool_len;
	memcpy(h->pool + h->pool_len, text, len);
	h->pool_len += len;
	return true;
}

static const char *base_name(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* Scrubbed, a program's own functions stay: names of files do not. */
static void name_ip(struct heaptrack *h, uint64_t ip, uint64_t module, uint64_t fn, uint64_t file,
    uint64_t line)
{
	const char *const in = module != 0 ? base_name(h->pool + h->strings[module]) : "?";

	if (fn == 0)
		import_say(h->im, TRACE_SYMBOLS, "%" PRIx64 " %.*s 0x%" PRIx64, ip, NAME_MAX_LEN,
		    in, ip);
	else if (file == 0)
		import_say(h->im, TRACE_SYMBOLS, "%" PRIx64 " %.*s (%.60s)", ip, NAME_MAX_LEN,
		    h->pool + h->strings[fn], in);
	else
		import_say(h->im, TRACE_SYMBOLS, "%" PRIx64 " %.*s (%.60s:%" PRIu64 ")", ip,
		    NAME_MAX_LEN,
		    h->pool + h->strings[fn], base_name(h->pool + h->strings[file]), line);
}

static bool add_ip(struct heaptrack *h)
{
	uint64_t ip, module, fn = 0, file = 0, line = 0;

	if (!ROOM(h, h->ips, h->ip_count, h->ip_cap) || !next_number(h, IMPORT_ADDRESS_MAX, &ip) ||
	    !next_index(h, h->string_count, &module))
		return false;
	if (more(h) && !next_index(h, h->string_count, &fn))
		return false;
	if (more(h) && (!next_index(h, h->string_count, &file) ||
	    !next_number(h, LINE_LIMIT, &line)))
		return false;
	h->ips[++h->ip_count] = ip;
	name_ip(h, ip, module, fn, file, line);
	return true; /* what follows are functions inlined there */
}

static bool add_module(struct heaptrack *h)
{
	uint64_t base;
	char *path = next_text(h);

	if (path == NULL)
		return false;
	h->raw = true;
	if (strcmp(path, "-") == 0) /* all of them are about to be named anew */
		return true;
	if (!next_number(h, IMPORT_ADDRESS_MAX, &base))
		return false;
	if (strcmp(path, "x") == 0) {
		if (h->string_count == 0)
			return true;
		path = h->pool + h->strings[1];
	}
	import_module(h->im, path, base, true);
	return true;
}

/* ---- stacks --------------------------------------------------------------------------------- */

static bool add_node(struct heaptrack *h)
{
	uint64_t ip, parent;

	if (!ROOM(h, h->nodes, h->node_count, h->node_cap))
		return false;
	/* heaptrack gives the last byte of the call, we what it returns to */
	if (h->raw ? !next_number(h, IMPORT_ADDRESS_MAX - 1, &ip)
	    : !next_index(h, h->ip_count, &ip))
		return false;
	if (!next_index(h, h->node_count, &parent))
		return false;
	if (!h->raw && ip == 0)
		return import_fail(h->im, "a stack node without an address");
	h->nodes[++h->node_count] = (struct node){h->raw ? ip + 1 : h->ips[ip], (uint32_t)parent};
	return true;
}

static size_t stack_of(const struct heaptrack *h, uint64_t node, uint64_t *frames)
{
	size_t n = 0;

	for (; node != 0 && n < FRAMES_MAX; node = h->nodes[node].parent)
		frames[n++] = h->nodes[node].addr;
	return n;
}

/* ---- allocations ---------------------------------------------------------------------------- */

static void write_event(struct heaptrack *h, enum trace_op op, uint64_t addr, uint64_t size,
    uint64_t node)
{
	uint64_t frames[FRAMES_MAX];
	struct trace_event ev = {.op = (uint8_t)op, .thread = 1, .addr = addr, .size = size,
	    .tick = import_tick(h->im, h->ns)};

	import_event(h->im, &ev, frames, stack_of(h, node, frames));
}

static bool add_kind(struct heaptrack *h)
{
	uint64_t size, node;

	if (!ROOM(h, h->kinds, h->kind_count, h->kind_cap) || !next_number(h, UINT64_MAX, &size) ||
	    !next_index(h, h->node_count, &node))
		return false;
	h->kinds[h->kind_count++] = (struct allocation_kind){.size = size, .node = (uint32_t)node};
	return true;
}

static struct allocation_kind *next_kind(struct heaptrack *h)
{
	uint64_t i;

	if (!next_index(h, h->kind_count, &i))
		return NULL;
	if (i == h->kind_count) {
		import_fail(h->im, "%" PRIx64 " points at nothing: there are %zx so far", i,
		    h->kind_count);
		return NULL;
	}
	return &h->kinds[i];
}

static bool push_object(struct heaptrack *h, struct allocation_kind *k, uint64_t addr)
{
	uint32_t i = h->unused;

	if (i != 0)
		h->unused = h->objects[i].next;
	else if (!ROOM(h, h->objects, h->object_count, h->object_cap))
		return false;
	else
		i = (uint32_t)++h->object_count;
	h->objects[i] = (struct heaptrack_object){addr, k->live};
	k->live = i;
	return true;
}

static bool allocated(struct heaptrack *h)
{
	uint64_t size, node, addr;

	if (h->raw) {
		if (!next_number(h, UINT64_MAX, &size) || !next_index(h, h->node_count, &node) ||
		    !next_number(h, IMPORT_ADDRESS_MAX, &addr))
			return false;
		write_event(h, TRACE_OP_MALLOC, addr, size, node);
		return true;
	}
	struct allocation_kind *const k = next_kind(h);
	addr = k != NULL ? import_place(h->im, k->size) : 0;
	if (addr == 0 || !push_object(h, k, addr))
		return false;
	write_event(h, TRACE_OP_MALLOC, addr, k->size, k->node);
	return true;
}

static bool freed(struct heaptrack *h)
{
	uint64_t addr;

	if (h->raw) {
		if (!next_number(h, IMPORT_ADDRESS_MAX, &addr))
			return false;
		write_event(h, TRACE_OP_FREE, addr, 0, 0);
		return true;
	}
	struct allocation_kind *const k = next_kind(h);
	if (k == NULL)
		return false;
	const uint32_t i = k->live;
	if (i == 0)
		return import_fail(h->im, "more freed of one kind than allocated");
	k->live = h->objects[i].next;
	h->objects[i].next = h->unused;
	h->unused = i;
	write_event(h, TRACE_OP_FREE, h->objects[i].addr, 0, 0);
	return true;
}

/* ---- lines ---------------------------------------------------------------------------------- */

static bool read_version(struct heaptrack *h)
{
	uint64_t version, file_version = 1;

	if (!next_number(h, UINT64_MAX, &version) || (more(h) &&
	    !next_number(h, UINT64_MAX, &file_version)))
		return false;
	return file_version == 3 || import_fail(h->im,
	    "version %" PRIu64 " of heaptrack's format; this dmm reads "
		"version 3", file_version);
}

static bool read_time(struct heaptrack *h)
{
	uint64_t ms;

	if (!next_number(h, UINT64_C(1) << 35, &ms))
		return false;
	h->ns = ms * 1000000;
	return true;
}

static bool read_entry(struct heaptrack *h)
{
	const char letter = h->im->line[0];

	if (letter == '\0' || letter == '#')
		return true;
	if (h->im->line[1] != ' ' && h->im->line[1] != '\0')
		return import_fail(h->im, "'%.20s' begins no line of heaptrack's", h->im->line);
	h->at = h->im->line + 1;
	switch (letter) {
	case 'v':
		return read_version(h);
	case 'X':
		if (!h->im->scrub)
			import_say(h->im, TRACE_META, "command=%.4000s",
			    h->im->line + min_size(2, h->im->len));
		return true;
	case 'x':
		h->raw = true;
		return add_string(h);
	case 's':
		return add_string(h);
	case 'm':
		return add_module(h);
	case 'i':
		return add_ip(h);
	case 't':
		return add_node(h);
	case 'a':
		return add_kind(h);
	case '+':
		return allocated(h);
	case '-':
		return freed(h);
	case 'c':
		return read_time(h);
	case 'I': /* sizes of the system */
	case 'R': /* resident memory */
	case 'A': /* attached to a running program */
	case 'S': /* suppressions */
		return true;
	default:
		return import_fail(h->im, "'%c' begins no line of heaptrack's", letter);
	}
}

static bool run_heaptrack(struct import *im)
{
	struct heaptrack h = {.im = im};
	bool fine = true;

	while (fine && import_line(im))
		fine = read_entry(&h);
	if (fine && !h.raw)
		import_note(im, "it was interpreted: addresses are made up, and of several "
			"objects of one size and stack the youngest is taken to be freed; the "
			    ".raw.zst file has both");
	free(h.pool);
	free(h.strings);
	free(h.ips);
	free(h.nodes);
	free(h.kinds);
	free(h.objects);
	return fine && im->error[0] == '\0';
}

const struct import_format import_heaptrack = {"heaptrack", "a recording of heaptrack",
    "threads, which call it was (realloc is a free and a malloc), alignment, failed calls, times "
    "finer than about 10 ms", TRACE_DWARF, is_heaptrack, run_heaptrack};
