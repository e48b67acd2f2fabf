/* pprof.c - a heap profile as protobuf messages, each written when it is known: see pprof.h.
 *
 * Field numbers are those of profile.proto, the public schema of pprof.
 */
#include "trace/pprof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/array.h"
#include "cli/lab.h"
#include "trace/live.h"

/* ---- protobuf: a field is its number and kind, then a varint, or a length and bytes ---------- */

struct message {
	unsigned char *at;
	size_t n, cap;
};

static void put_byte(struct message *m, unsigned char byte)
{
	if (!ARRAY_RESERVE(m->at, m->cap, m->n + 1))
		lab_die(EXIT_OURS, "no memory for a profile");
	m->at[m->n++] = byte;
}

static void put_varint(struct message *m, uint64_t x)
{
	for (; x >= 0x80; x >>= 7)
		put_byte(m, (unsigned char)(x | 0x80));
	put_byte(m, (unsigned char)x);
}

enum { KIND_VARINT = 0, KIND_BYTES = 2 };

static void put_number(struct message *m, unsigned field, uint64_t x)
{
	if (x == 0)
		return; /* the default */
	put_varint(m, field << 3 | KIND_VARINT);
	put_varint(m, x);
}

static void put_bytes(struct message *m, unsigned field, const void *bytes, size_t n)
{
	put_varint(m, field << 3 | KIND_BYTES);
	put_varint(m, n);
	for (size_t i = 0; i < n; i++)
		put_byte(m, ((const unsigned char *)bytes)[i]);
}

static void put_message(struct message *m, unsigned field, const struct message *inner)
{
	put_bytes(m, field, inner->at, inner->n);
}

/* ---- the profile ----------------------------------------------------------------------------- */

enum { PATH_LEN = 1024, ID_LEN = 48 };

struct profile_map {
	uint64_t start, end;
};

struct pprof {
	gzFile out;
	bool ok;
	struct symbols *symbols;
	struct live strings;   /* by a hash; .user: the number */
	struct live functions; /* by the number of their string; .user: theirs */
	struct live locations; /* by address + 1; .user: the number */
	struct profile_map *maps;
	size_t map_count, map_cap;
	struct message part; /* what is being built */
	struct pprof_head head;
};

/* A field of the profile itself. */
static void write_field(struct pprof *p, unsigned field, const void *bytes, size_t n)
{
	struct message m = {0};

	put_bytes(&m, field, bytes, n);
	p->ok = p->ok && gzwrite(p->out, m.at, (unsigned)m.n) == (int)m.n;
	free(m.at);
}

static void write_part(struct pprof *p, unsigned field)
{
	write_field(p, field, p->part.at, p->part.n);
	p->part.n = 0;
}

static void write_number(struct pprof *p, unsigned field, uint64_t x)
{
	struct message m = {0};

	put_number(&m, field, x);
	p->ok = p->ok && (m.n == 0 || gzwrite(p->out, m.at, (unsigned)m.n) == (int)m.n);
	free(m.at);
}

/* Two texts of one hash of 64 bits (Fowler, Noll, Vo) would be taken for one: once in 10^9 profiles
 * of 100,000 names. */
static uint64_t hash(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3;
	return h | 1;
}

/* The number under which a key was entered, or *fresh and the next one. */
static uint64_t number_of(struct live *table, uint64_t key, bool *fresh)
{
	const size_t before = table->count;
	struct live_object *const o = live_add(table, key);

	if (o == NULL)
		lab_die(EXIT_OURS, "no memory for a profile");
	*fresh = table->count != before;
	if (*fresh)
		o->user = table->count;
	return o->user;
}

/* Strings are numbered from 0 in the order in which they are written; 0 is "". */
static uint64_t string_of(struct pprof *p, const char *text)
{
	bool fresh;
	const uint64_t number = number_of(&p->strings, hash(text), &fresh) - 1;

	if (fresh)
		write_field(p, 6, text, strlen(text));
	return number;
}

/* "main (hello.c:12)" is a function in a file; anything else is a name alone. */
static uint64_t function_of(struct pprof *p, const char *name, uint64_t *line)
{
	char bare[SYMBOLS_LEN + 1], file[SYMBOLS_LEN + 1] = "";
	bool fresh;

	snprintf(bare, sizeof bare, "%s", name);
	char *const open = strrchr(bare, '('), *const colon = strrchr(bare, ':');
	*line = 0;
	if (open != NULL && open > bare && open[-1] == ' ' && colon != NULL && colon > open) {
		*line = strtoull(colon + 1, NULL, 10);
		*colon = '\0';
		snprintf(file, sizeof file, "%s", open + 1);
		open[-1] = '\0';
	}
	const uint64_t text = string_of(p, bare), file_text = string_of(p, file);
	const uint64_t number = number_of(&p->functions, (text << 32 | file_text) + 1, &fresh);
	if (fresh) {
		struct message f = {0};
		put_number(&f, 1, number);
		put_number(&f, 2, text);
		put_number(&f, 3, text);
		put_number(&f, 4, file_text);
		write_field(p, 5, f.at, f.n);
		free(f.at);
	}
	return number;
}

/* Mappings are numbered from 1; 0: none. */
static size_t map_of(const struct pprof *p, uint64_t addr)
{
	for (size_t i = p->map_count; i > 0; i--)
		if (addr >= p->maps[i - 1].start && addr < p->maps[i - 1].end)
			return i;
	return 0;
}

/* A return address with the functions there, of which several are inlined into the last. */
static uint64_t location_of(struct pprof *p, uint64_t addr)
{
	bool fresh;
	const uint64_t number = number_of(&p->locations, addr + 1, &fresh);

	if (!fresh)
		return number;
	const struct symbols_place *const place = symbols_place(p->symbols, addr);
	struct message l = {0};
	put_number(&l, 1, number);
	put_number(&l, 2, map_of(p, addr));
	put_number(&l, 3, addr);
	for (uint32_t i = 0; i < place->count; i++) {
		struct message one = {0};
		uint64_t line;
		put_number(&one, 1, function_of(p, place->name[i], &line));
		put_number(&one, 2, line);
		put_message(&l, 4, &one);
		free(one.at);
	}
	write_field(p, 4, l.at, l.n);
	free(l.at);
	return number;
}

/* ---- head ------------------------------------------------------------------------------------ */

static void put_type(struct pprof *p, const char *type, const char *unit)
{
	put_number(&p->part, 1, string_of(p, type));
	put_number(&p->part, 2, string_of(p, unit));
}

static void write_types(struct pprof *p)
{
	static const char *const types[PPROF_VALUES][2] = {{"alloc_objects", "count"},
	    {"alloc_space", "bytes"}, {"inuse_objects", "count"}, {"inuse_space", "bytes"},
	    {"peak_objects", "count"}, {"peak_space", "bytes"}, {"temporary_objects", "count"},
	    {"temporary_space", "bytes"}};

	string_of(p, "");
	for (unsigned i = 0; i < p->head.values; i++) {
		put_type(p, types[i][0], types[i][1]);
		write_part(p, 1);
	}
	put_type(p, "space", "bytes");
	write_part(p, 11);
	write_number(p, 12, p->head.period);
	write_number(p, 14, string_of(p, "inuse_space"));
}

static void add_map(struct pprof *p, const struct profile_map *m, uint64_t offset, const char *id,
    const char *name)
{
	if (!ARRAY_RESERVE(p->maps, p->map_cap, p->map_count + 1))
		lab_die(EXIT_OURS, "no memory for a profile");
	p->maps[p->map_count++] = *m;
	put_number(&p->part, 1, p->map_count);
	put_number(&p->part, 2, m->start);
	put_number(&p->part, 3, m->end);
	put_number(&p->part, 4, offset);
	put_number(&p->part, 5, string_of(p, name));
	put_number(&p->part, 6, string_of(p, strcmp(id, "-") != 0 ? id : ""));
	for (unsigned has = 7; has <= 10; has++) /* functions, files, lines, inlined frames */
		put_number(&p->part, has, 1);
	write_part(p, 3);
}

static void read_maps(void *arg, const char *text, size_t len)
{
	char name[PATH_LEN], id[ID_LEN];
	struct profile_map m;
	uint64_t offset;

	(void)len;
	for (const char *line = text; *line != '\0'; line += *line == '\n') {
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %47s %1023[^\n]", &m.start,
		        &m.end, &offset, id, name) == 5)
			add_map(arg, &m, offset, id, name);
		line += strcspn(line, "\n");
	}
}

struct pprof *pprof_open(int fd, const struct pprof_head *head, struct symbols *symbols)
{
	struct pprof *const p = calloc(1, sizeof *p);
	const int copy = dup(fd);

	if (p == NULL || copy < 0 || (p->out = gzdopen(copy, "wb")) == NULL)
		return NULL;
	if (!live_open(&p->strings) || !live_open(&p->functions) || !live_open(&p->locations))
		return NULL;
	p->ok = true;
	p->symbols = symbols;
	p->head = *head;
	write_types(p);
	if (head->maps != NULL)
		read_maps(p, head->maps, strlen(head->maps));
	return p;
}

void pprof_maps(struct pprof *p, const struct trace_file *f)
{
	struct trace_error ignored;

	trace_file_texts(f, TRACE_MAPS, read_maps, p, &ignored);
}

/* ---- samples --------------------------------------------------------------------------------- */

void pprof_sample(struct pprof *p, const uint64_t *addr, size_t depth,
    const uint64_t *value)
{
	struct message list = {0}, sample = {0};

	for (size_t i = 0; i < depth; i++)
		put_varint(&list, location_of(p, addr[i]));
	put_message(&sample, 1, &list);
	list.n = 0;
	for (unsigned i = 0; i < p->head.values; i++)
		put_varint(&list, value[i]);
	put_message(&sample, 2, &list);
	write_field(p, 2, sample.at, sample.n);
	free(list.at);
	free(sample.at);
}

bool pprof_close(struct pprof *p, uint64_t duration_ns)
{
	write_number(p, 9, p->head.wall_ns);
	write_number(p, 10, duration_ns);
	const bool ok = gzclose(p->out) == Z_OK && p->ok;
	live_close(&p->strings);
	live_close(&p->functions);
	live_close(&p->locations);
	free(p->maps);
	free(p->part.at);
	free(p);
	return ok;
}
