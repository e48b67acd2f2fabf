/* python_names.c - the name of a Python function and line, copied out of the interpreter.
 *
 * Equal names get one number.  New names wait in T.tape, so that an import of many modules
 * does not write a block for each, and none is lost.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "base/crash.h"
#include "observe/record.h"
#include "observe/record_python.h"
#include "observe/script_names.h"
#include "observe/xxh64.h"

enum {
	NAMES_FIRST = 4096,
	NAME_LEN = 160, PATH_LEN = 640, /* bytes of UTF-8; of a longer path, the end */
	PIECE = 64,                     /* characters, or bytes, read at a time */
	LINES_MAX = 1 << 20,
};
static_assert(NAME_LEN + PATH_LEN + 64 < SCRIPT_TEXT_LEN, "a line has room");

struct named {
	uint64_t hash; /* of the text; 0: free */
	uint32_t number;
};

static struct {
	struct named *at; /* by hash */
	size_t mask, count;
} names;

/* ---- text ------------------------------------------------------------------------------------ */

struct text {
	char *to;
	size_t len, cap;
};

/* A line of the recording holds the name: no control characters.  Python keeps a byte of a file's
 * name that is not UTF-8 as U+DC00 plus the byte. */
static void put_escaped(struct text *t, uint32_t c)
{
	static const char hex[] = "0123456789abcdef";
	const char text[] = {'\\', 'x', hex[c >> 4 & 15], hex[c & 15]};

	memcpy(t->to + t->len, text, sizeof text);
	t->len += sizeof text;
}

/* False: there is no room for another character. */
static bool put_char(struct text *t, uint32_t c)
{
	char *const to = t->to + t->len;

	if (t->len + 4 > t->cap)
		return false;
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0xd800 && c < 0xe000)) {
		put_escaped(t, c);
	} else if (c < 0x80) {
		to[0] = (char)c;
		t->len += 1;
	} else if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		t->len += 2;
	} else if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		t->len += 3;
	} else {
		to[0] = (char)(0xf0 | (c >> 18 & 7));
		to[1] = (char)(0x80 | (c >> 12 & 63));
		to[2] = (char)(0x80 | (c >> 6 & 63));
		to[3] = (char)(0x80 | (c & 63));
		t->len += 4;
	}
	return true;
}

static uint32_t char_at(const unsigned char *data, size_t i, unsigned kind)
{
	uint32_t c = 0;

	memcpy(&c, data + i * kind, kind);
	return c;
}

/* Characters [from, len) of the data, as far as there is room. */
static bool put_chars(struct python_thread *p, struct text *t, uintptr_t data, size_t from,
    size_t len, unsigned kind)
{
	unsigned char piece[4 * PIECE];

	for (size_t i = from; i < len; i += PIECE) {
		const size_t n = min_size(PIECE, len - i);
		if (!python_copy(p, data + i * kind, piece, n * kind))
			return false;
		for (size_t k = 0; k < n; k++)
			if (!put_char(t, char_at(piece, k, kind)))
				return true;
	}
	return true;
}

/* A string of Python's; of a longer one its end, if `tail`, or its beginning.  Its characters have
 * 1, 2 or 4 bytes each, and lie behind its head. */
static bool put_string(struct python_thread *p, struct text *t, const struct python_layout *l,
    uintptr_t string, bool tail)
{
	unsigned char head[PYTHON_STRING_STATE + sizeof(uint32_t)];
	size_t len;
	uint32_t state;

	if (!python_copy(p, string, head, sizeof head))
		return false;
	memcpy(&len, head + PYTHON_LEN, sizeof len);
	memcpy(&state, head + PYTHON_STRING_STATE, sizeof state);
	const unsigned kind = state >> 2 & 7;
	const bool compact = (state >> 5 & 1) != 0, ascii = (state >> 6 & 1) != 0;
	if (!compact || (kind != 1 && kind != 2 && kind != 4) || len > UINT32_MAX)
		return false;
	const size_t room = (t->cap - t->len) / 4;
	return put_chars(p, t, string + (ascii ? l->ascii_len : l->text_len),
	    tail && len > room ? len - room : 0, len, kind);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* The table of lines of 3.11 on.  An entry begins with a byte whose high bit is set: four bits say
 * what the entry has, three how many instructions it is for (one more).  See CPython's
 * Objects/locations.md. */
enum { ENTRY_ONE_LINE = 10, ENTRY_NO_COLUMN = 13, ENTRY_LONG = 14, ENTRY_NONE = 15 };

/* Where the search for a line is: the entries before `at` are for `begins` instructions, and end
 * in `line`. */
struct line_search {
	uintptr_t code, at, end;
	uint64_t ends; /* of the table, hashed: other code may be at that address by now */
	int64_t begins, line, first;
};

struct lines {
	struct python_thread *thread;
	uintptr_t at, end;               /* what of the table is not yet read */
	const unsigned char *next, *last; /* what of it is, and not yet looked at */
	unsigned char piece[PIECE];
};

static int more_bytes(struct lines *s)
{
	const size_t n = min_size(sizeof s->piece, s->end - s->at);

	if (n == 0 || !python_copy(s->thread, s->at, s->piece, n))
		return -1;
	s->at += n;
	s->next = s->piece + 1;
	s->last = s->piece + n;
	return s->piece[0];
}

/* Negative: there is none. */
static inline int next_byte(struct lines *s)
{
	return likely(s->next != s->last) ? *s->next++ : more_bytes(s);
}

/* Six bits a byte, the low ones first; 64 says that more follow.  Bit 0 of the number is its
 * sign. */
static int64_t next_signed(struct lines *s)
{
	uint64_t x = 0;
	int byte = 64;

	for (unsigned shift = 0; shift < 36 && byte >= 0 && (byte & 64) != 0; shift += 6) {
		byte = next_byte(s);
		x |= (uint64_t)(byte < 0 ? 0 : byte & 63) << shift;
	}
	return (x & 1) != 0 ? -(int64_t)(x >> 1) : (int64_t)(x >> 1);
}

/* How many lines further than the entry before. */
static inline int64_t lines_further(struct lines *s, int what)
{
	if (what < ENTRY_ONE_LINE || what == ENTRY_NONE)
		return 0;
	return what < ENTRY_NO_COLUMN ? what - ENTRY_ONE_LINE : next_signed(s);
}

/* Search on for the line of an instruction, counted in units of two bytes.  Negative: it has
 * none. */
static int64_t search_on(struct python_thread *p, struct line_search *from, int64_t unit)
{
	struct lines s = {.thread = p, .at = from->at, .end = from->end};
	struct line_search here = *from;

	while (true) {
		const int byte = next_byte(&s);
		if (byte < 0)
			return -1;
		if ((byte & 0x80) == 0)
			continue; /* the rest of an entry: columns */
		const int what = byte >> 3 & 15;
		/* where the next search begins: before the entry that was found */
		here.at = s.at - (uintptr_t)(s.last - s.next) - 1;
		*from = here;
		here.line += lines_further(&s, what);
		here.begins += (byte & 7) + 1;
		if (here.begins > unit)
			return what != ENTRY_NONE ? here.line : -1;
	}
}

/* 0: the table cannot be read. */
static uint64_t hash_of_ends(struct python_thread *p, uintptr_t at, size_t len)
{
	unsigned char ends[2 * PIECE];
	const size_t n = min_size(len, PIECE);

	if (!python_copy(p, at, ends, n) || !python_copy(p, at + len - n, ends + n, n))
		return 0;
	return xxh64(ends, 2 * n, len) | 1;
}

/* `first`: the line of the function, which is told where the table has none.  A module runs from
 * its beginning to its end, and its table is long: so a search in the same table begins where the
 * last one ended. */
static int64_t line_of(struct python_thread *p, uintptr_t code, uintptr_t table, int64_t unit,
    int64_t first)
{
	static struct line_search last; /* under the lock */
	struct line_search s = {.code = code, .at = table + PYTHON_BYTES_AT,
	    .line = first, .first = first};
	size_t len;

	if (unit < 0 || !python_copy(p, table + PYTHON_LEN, &len, sizeof len) || len > LINES_MAX)
		return first;
	s.end = s.at + len;
	s.ends = hash_of_ends(p, s.at, len);
	if (s.ends == 0)
		return first;
	if (last.code == code && last.end == s.end && last.ends == s.ends &&
	    last.first == first && last.begins <= unit)
		s = last;
	const int64_t line = search_on(p, &s, unit);
	last = s;
	return line > 0 ? line : first;
}

/* ---- numbers --------------------------------------------------------------------------------- */

static struct named *slot_of(struct named *at, size_t mask, uint64_t hash)
{
	size_t i = hash;

	while (at[i & mask].hash != 0 && at[i & mask].hash != hash)
		i++;
	return &at[i & mask];
}

static bool make_room(void)
{
	const size_t size = names.at == NULL ? NAMES_FIRST : 2 * (names.mask + 1);

	if (names.at != NULL && 2 * (names.count + 1) <= names.mask)
		return true;
	if (names.count + 1 >= SCRIPTS_MAX)
		return false;
	struct named *const at = mmap(NULL, size * sizeof *at, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return false;
	for (size_t i = 0; names.at != NULL && i <= names.mask; i++)
		if (names.at[i].hash != 0)
			*slot_of(at, size - 1, names.at[i].hash) = names.at[i];
	if (names.at != NULL)
		munmap(names.at, (names.mask + 1) * sizeof *names.at);
	names.at = at;
	names.mask = size - 1;
	return true;
}

void python_names_flush(void)
{
	struct tape_names *const waiting = store_names();

	if (waiting->len != 0)
		output_text(TRACE_SYMBOLS, waiting->text, waiting->len);
	atomic_store_explicit(&waiting->len, 0, memory_order_release);
}

/* Where it stays if the process is killed. */
static void wait_written(uint32_t number, const char *text, size_t len)
{
	enum { DIGITS = 16 };
	const uint64_t address = TRACE_SCRIPT + number;

	if (store_names()->len + DIGITS + len + 2 >= TAPE_NAMES_LEN)
		python_names_flush();
	struct tape_names *const waiting = store_names();
	char *to = waiting->text + waiting->len;
	for (int shift = 4 * DIGITS - 4; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[address >> shift & 15];
	*to++ = ' ';
	memcpy(to, text, len);
	to[len] = '\n';
	atomic_store_explicit(&waiting->len, (uint32_t)(to + len + 1 - waiting->text),
	    memory_order_release);
}

/* The number of a name; a new one goes to the recording. */
static uint32_t number_of(const char *text, size_t len)
{
	const uint64_t hash = xxh64(text, len, 0) | 1;

	if (!make_room())
		return 0;
	struct named *const n = slot_of(names.at, names.mask, hash);
	if (n->hash == 0) {
		*n = (struct named){hash, (uint32_t)++names.count};
		wait_written(n->number, text, len);
	}
	return n->number;
}

static const char *file_part(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* Scrubbed, a file of the standard library keeps what all its users share. */
static const char *shown_path(const char *path)
{
	if (!record_config.scrub)
		return path;
	const char *const shared = script_is_library(path) ? strstr(path, "/python") : NULL;
	return shared != NULL ? shared : file_part(path);
}

uint32_t python_name(struct python_thread *p, const struct python_layout *l,
    const struct python_place *at, const unsigned char *head)
{
	/* under the lock, and not on what may be a small stack */
	static char path[PATH_LEN], line[SCRIPT_TEXT_LEN];
	struct text file = {path, 0, sizeof path - 1}, all = {line, 0, NAME_LEN};
	struct python_code named;
	int32_t first;

	memcpy(&named.file, head + PYTHON_FILE, sizeof named.file);
	memcpy(&named.name, head + PYTHON_NAME, sizeof named.name);
	memcpy(&named.lines, head + PYTHON_LINES, sizeof named.lines);
	memcpy(&first, head + l->first_line, sizeof first);
	if (!put_string(p, &all, l, named.name, false) ||
	    !put_string(p, &file, l, named.file, true))
		return PYTHON_NAMELESS;
	path[file.len] = '\0';
	line[all.len] = '\0';
	const bool library = script_is_library(path);
	const int64_t unit = (int64_t)(at->instruction - at->code - l->instructions) / 2;
	const int64_t number = line_of(p, at->code, named.lines, unit, first);
	all.len += crash_format(line + all.len, sizeof line - all.len, " (%s:%u)",
	    shown_path(path), (size_t)number);
	const uint32_t n = number_of(line, all.len);
	if (n == 0 || !library)
		return n != 0 && path[0] == '<' ? n | PYTHON_MADE : n;
	/* the bodies of modules and classes, and what is in them, are freed after they ran */
	const bool kept = (head[PYTHON_FLAGS] & PYTHON_OPTIMIZED) != 0 && line[0] != '<';
	return n | PYTHON_LIBRARY | (script_is_import(path) ? PYTHON_IMPORT : 0) |
	    (kept ? PYTHON_KEPT : 0);
}

void python_names_after_fork(void)
{
	names.at = NULL;
	names.count = names.mask = 0;
	store_names()->len = 0;
}
