/* symbols.c - libdw over the mappings of a recording. */
#include "trace/symbols.h"

#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bits.h"
#include "cli/array.h"
#include "cli/lab.h"
#include "observe/script_names.h"
#include "observe/xxh64.h"
#include "trace/frames.h"
#include "trace/perf_map.h"

enum { ID_LEN = 48, PATH_LEN = 1024 };

struct module_map {
	uint64_t start, end, offset;
	char id[ID_LEN];
	char *name;
	bool tried;
	Dwfl_Module *module; /* NULL: not readable, or not the same file any more */
};

struct symbols {
	Dwfl *dwfl;
	struct module_map *maps;
	size_t map_count, map_cap;
	/* addresses already asked, or named by the recording itself; by hash */
	struct symbols_place *known;
	size_t known_count, known_cap;
	struct perf_map *made; /* code made at run time */
	bool said; /* that there is no memory for all of them */
};

static const char *const unknown_name = "?";
static const struct symbols_place unknown = {.name = &unknown_name, .count = 1}; /* no memory */

static struct symbols_place *known_slot(const struct symbols *s, uint64_t addr)
{
	size_t i = addr * 0x9e3779b97f4a7c15u >> 24 & (s->known_cap - 1);
	while (s->known[i].name != NULL && s->known[i].addr != addr)
		i = (i + 1) & (s->known_cap - 1);
	return &s->known[i];
}

static bool grow_known(struct symbols *s)
{
	const struct symbols old = *s;

	if (2 * (s->known_count + 1) <= s->known_cap)
		return true;
	s->known_cap = max_size(1024, 2 * old.known_cap);
	s->known = calloc(s->known_cap, sizeof *s->known);
	if (s->known == NULL) {
		*s = old;
		return false;
	}
	for (size_t i = 0; i < old.known_cap; i++)
		if (old.known[i].name != NULL)
			*known_slot(s, old.known[i].addr) = old.known[i];
	free(old.known);
	return true;
}

/* The names in one piece of memory: pointers, hashes, then text. */
static const char *const *copy_names(const struct code_frame *frames, size_t count)
{
	size_t len = count * (sizeof(char *) + sizeof(uint64_t));

	for (size_t i = 0; i < count; i++)
		len += strlen(frames[i].name) + 1;
	const char **const names = malloc(len);
	if (names == NULL)
		return NULL;
	uint64_t *const whole = (uint64_t *)(names + count);
	char *at = (char *)(whole + count);
	for (size_t i = 0; i < count; i++) {
		whole[i] = frames[i].whole != 0 ? frames[i].whole
		    : frame_hash(frames[i].name, strlen(frames[i].name), "", 0);
		names[i] = at;
		at = stpcpy(at, frames[i].name) + 1;
	}
	return names;
}

/* Of the name i of a place: a hash that no other function and line has.  A place that found no
 * memory has only its address. */
static uint64_t whole_name(const struct symbols_place *p, size_t i, uint64_t addr)
{
	return p != &unknown ? ((const uint64_t *)(p->name + p->count))[i]
	    : xxh64(&addr, sizeof addr, 0);
}

static const struct symbols_place *remember(struct symbols *s, uint64_t addr,
    const struct code_frame *frames, size_t count)
{
	if (!grow_known(s))
		return &unknown;
	struct symbols_place *const k = known_slot(s, addr);
	if (k->name != NULL)
		return k;
	*k = (struct symbols_place){.addr = addr, .name = copy_names(frames, count),
	    .count = (uint32_t)count};
	while (k->wrappers < count && frames[k->wrappers].wrapper)
		k->wrappers++;
	s->known_count += k->name != NULL;
	return k->name != NULL ? k : &unknown;
}

static void add_mapping(struct symbols *s, const struct module_map *m)
{
	if (!ARRAY_RESERVE(s->maps, s->map_cap, s->map_count + 1))
		return;
	s->maps[s->map_count] = *m;
	s->maps[s->map_count].name = strdup(m->name);
	s->map_count += s->maps[s->map_count].name != NULL;
}

static void read_maps(void *arg, const char *text, size_t len)
{
	char name[PATH_LEN];

	(void)len;
	for (const char *line = text; *line != '\0';
	     line += strcspn(line, "\n"), line += *line == '\n') {
		struct module_map m = {.name = name};
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %47s %1023[^\n]", &m.start,
		        &m.end, &m.offset, m.id, name) == 5)
			add_mapping(arg, &m);
	}
}

/* "Class.method (/home/a/b.py:12)" as "Class.method (b.py:12)". A package's own file is called
 * __init__.py: it is shown with the package's name. */
static void read_script(char *text, struct code_frame *frame)
{
	char *const begin = strstr(text, " (");
	char *end = strrchr(text, ':');

	if (begin == NULL || end == NULL || end < begin) {
		snprintf(frame->name, sizeof frame->name, "%.250s", text);
		return;
	}
	*begin = *end = '\0';
	const char *const path = begin + 2;
	const char *file = frame_file_part(path);
	frame->wrapper = script_is_library(path);
	if (strncmp(file, "__", 2) == 0 && file > path + 1) {
		for (file--; file > path && file[-1] != '/';)
			file--;
	}
	snprintf(frame->name, sizeof frame->name, "%.160s (%.80s:%.12s", text, file, end + 1);
}

static void read_names(void *arg, const char *text, size_t len)
{
	char name[SCRIPT_TEXT_LEN];
	uint64_t addr;

	(void)len;
	for (const char *line = text; *line != '\0';
	     line += strcspn(line, "\n"), line += *line == '\n') {
		struct code_frame frame = {.wrapper = false};
		if (sscanf(line, "%" SCNx64 " %1023[^\n]", &addr, name) != 2)
			continue;
		frame.whole = frame_hash(name, strlen(name), "", 0);
		if (script_is_address(addr))
			read_script(name, &frame);
		else
			snprintf(frame.name, sizeof frame.name, "%.255s", name);
		remember(arg, addr, &frame, 1);
	}
}

struct symbols *symbols_open_maps(const char *maps, uint32_t pid)
{
	static char *debuginfo_path;
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
	    .find_debuginfo = dwfl_standard_find_debuginfo,
	    .section_address = dwfl_offline_section_address,
	    .debuginfo_path = &debuginfo_path};
	struct symbols *const s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->made = perf_map_open(pid);
	s->dwfl = dwfl_begin(&callbacks);
	read_maps(s, maps, strlen(maps));
	return s;
}

struct symbols *symbols_open(const struct trace_file *f)
{
	struct symbols *const s = symbols_open_maps("", f->head.pid);
	struct trace_error ignored;

	if (s == NULL)
		return NULL;
	trace_file_texts(f, TRACE_MAPS, read_maps, s, &ignored);
	trace_file_texts(f, TRACE_SYMBOLS, read_names, s, &ignored);
	return s;
}

void symbols_close(struct symbols *s)
{
	dwfl_end(s->dwfl);
	for (size_t i = 0; i < s->map_count; i++)
		free(s->maps[i].name);
	for (size_t i = 0; i < s->known_cap; i++)
		free((void *)s->known[i].name);
	perf_map_close(s->made);
	free(s->maps);
	free(s->known);
	free(s);
}

static bool same_file(Dwfl_Module *module, const char *id)
{
	const unsigned char *bits;
	GElf_Addr where;
	char text[ID_LEN] = "";
	const int n = dwfl_module_build_id(module, &bits, &where);

	for (int i = 0; i < n && i < 20; i++)
		snprintf(text + 2 * i, 3, "%02x", bits[i]);
	return n > 0 ? strcmp(text, id) == 0 : strcmp(id, "-") == 0;
}

static void load(struct symbols *s, struct module_map *m)
{
	struct stat st;

	m->tried = true;
	for (const struct module_map *other = s->maps; other < m; other++)
		if (other->tried && strcmp(other->name, m->name) == 0 &&
		    strcmp(other->id, m->id) == 0) {
			m->module = other->module;
			return;
		}
	/* a pipe or a device may have that name by now */
	if (s->dwfl == NULL || m->name[0] != '/' || stat(m->name, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	dwfl_report_begin_add(s->dwfl);
	Dwfl_Module *const module = dwfl_report_offline(s->dwfl, m->name, m->name, -1);
	dwfl_report_end(s->dwfl, NULL, NULL);
	GElf_Addr bias;
	if (module != NULL && dwfl_module_getelf(module, &bias) != NULL && same_file(module, m->id))
		m->module = module;
}

/* The address in the module's own terms: file offset, then the segment that holds it. */
static bool locate(const struct module_map *m, uint64_t addr, GElf_Addr *at)
{
	const uint64_t offset = addr - m->start + m->offset;
	GElf_Addr bias;
	Elf *const elf = dwfl_module_getelf(m->module, &bias);
	size_t count = 0;

	if (elf == NULL || elf_getphdrnum(elf, &count) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr p;
		if (gelf_getphdr(elf, (int)i, &p) == NULL || p.p_type != PT_LOAD ||
		    offset < p.p_offset || offset >= p.p_offset + p.p_filesz)
			continue;
		*at = offset - p.p_offset + p.p_vaddr + bias;
		return true;
	}
	return false;
}

/* ---- places ---------------------------------------------------------------------------------- */

static size_t describe(struct symbols *s, struct module_map *m, uint64_t addr,
    struct code_frame *frames)
{
	GElf_Addr at;

	if (!m->tried)
		load(s, m);
	const bool found = m->module != NULL && locate(m, addr, &at);
	const size_t count = found ? frames_at(m->module, at, m->name, frames) : 0;
	if (count != 0)
		return count;
	frames[0].whole = frame_hash("", 0, m->name, 0) ^ (addr - m->start + m->offset);
	snprintf(frames[0].name, sizeof frames[0].name, "%.200s+0x%" PRIx64,
	    frame_file_part(m->name), addr - m->start + m->offset);
	frames[0].wrapper = strstr(m->name, "/libstdc++.so") != NULL;
	return 1;
}

/* libdw names what it can and goes on.  If it names only a part of the place, say why. */
static void say_if_short(struct symbols *s, uint64_t addr)
{
	if (errno == ENOMEM && !s->said)
		lab_say("no memory to look up all call sites, as 0x%" PRIx64
		        ": the lists name some less exactly",
		    addr);
	s->said = s->said || errno == ENOMEM;
}

const struct symbols_place *symbols_place(struct symbols *s, uint64_t addr)
{
	struct code_frame frames[FRAMES_MAX];
	size_t count = 0;

	errno = 0;
	if (s->known_cap != 0 && known_slot(s, addr)->name != NULL)
		return known_slot(s, addr);
	for (size_t i = s->map_count; i-- > 0 && count == 0;)
		if (addr - 1 >= s->maps[i].start && addr - 1 < s->maps[i].end)
			/* the call is before the return */
			count = describe(s, &s->maps[i], addr - 1, frames);
	if (count == 0) {
		const char *const name = perf_map_name(s->made, addr - 1);
		if (name != NULL)
			snprintf(frames[0].name, sizeof frames[0].name, "%.250s", name);
		else
			snprintf(frames[0].name, sizeof frames[0].name, "0x%" PRIx64, addr);
		frames[0].wrapper = false;
		frames[0].whole = name != NULL ? frame_hash(name, strlen(name), "", 0) : 0;
		count = 1;
	}
	const struct symbols_place *const kept = remember(s, addr, frames, count);
	say_if_short(s, addr);
	return kept;
}

const char *symbols_name(struct symbols *s, uint64_t addr)
{
	const struct symbols_place *const p = symbols_place(s, addr);
	return p->name[p->wrappers < p->count ? p->wrappers : 0];
}

/* A function of the program's own script, by the name that its interpreter writes into perf's map:
 * of V8 ("JS:*parse /a/b.js:3:9", "LazyCompile:.."; its library is in files node:...) and CPython
 * ("py::parse:/a/b.py"). */
static bool is_script(const char *name)
{
	static const char *const begins[] = {
	    "JS:", "LazyCompile:", "Function:", "Script:", "Eval:", "py::"};

	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
		if (strncmp(name, begins[i], strlen(begins[i])) == 0)
			return strstr(name, " node:") == NULL;
	return false;
}

/* The innermost node of a script's own function: the interpreter's frames below it, and those of
 * its library, serve that.  If there are only the library's, the innermost of these.  0: there is
 * none. */
static uint32_t script_node(struct symbols *s, const struct trace_reader *r, uint32_t stack)
{
	uint32_t library = 0;

	for (uint32_t node = stack; node != 0; node = trace_reader_node(r, node)->parent) {
		const uint64_t addr = trace_reader_node(r, node)->addr;
		if (perf_map_is_empty(s->made) && !script_is_address(addr))
			continue;
		const struct symbols_place *const p = symbols_place(s, addr);
		if (script_is_address(addr) ? p->wrappers == 0 : is_script(p->name[0]))
			return node;
		if (script_is_address(addr) && library == 0)
			library = node;
	}
	return library;
}

/* As symbols_path_to(); whole: of each name a hash that no other function and line has. */
static size_t path_to(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    size_t depth, const char **names, uint64_t *whole, bool *only_wrappers)
{
	size_t count = 0, wrappers = 0;
	bool left = false; /* the wrappers */
	const uint32_t script = script_node(s, r, stack);

	for (uint32_t node = script != 0 ? script : stack; node != 0;
	     node = trace_reader_node(r, node)->parent) {
		if (left && count >= depth)
			break;
		const uint64_t addr = trace_reader_node(r, node)->addr;
		const struct symbols_place *const p = symbols_place(s, addr);
		if (!left && p->wrappers < p->count) {
			left = true;
			count = 0;
			wrappers = p->wrappers;
		}
		for (size_t i = left ? wrappers : 0; i < p->count && count < SYMBOLS_DEPTH; i++) {
			whole[count] = whole_name(p, i, addr);
			names[count++] = p->name[i];
		}
		wrappers = 0;
	}
	if (only_wrappers != NULL)
		*only_wrappers = !left && stack != 0;
	return min_size(count, depth);
}

size_t symbols_path_to(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    size_t depth, const char **names, bool *only_wrappers)
{
	uint64_t unused[SYMBOLS_DEPTH];
	return path_to(s, r, stack, depth, names, unused, only_wrappers);
}

uint64_t symbols_path_hash(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    size_t depth)
{
	const char *names[SYMBOLS_DEPTH];
	uint64_t whole[SYMBOLS_DEPTH];
	const size_t count = path_to(s, r, stack, depth, names, whole, NULL);

	return xxh64(whole, count * sizeof *whole, count);
}

size_t symbols_path(struct symbols *s, const struct trace_reader *r, uint32_t stack,
    const char **names, bool *only_wrappers)
{
	return symbols_path_to(s, r, stack, SYMBOLS_DEPTH, names, only_wrappers);
}

uint32_t symbols_leave_wrappers(struct symbols *s, const struct trace_reader *r, uint32_t stack)
{
	const uint32_t script = script_node(s, r, stack);

	for (uint32_t node = stack; script == 0 && node != 0;
	     node = trace_reader_node(r, node)->parent) {
		const struct symbols_place *const p =
		    symbols_place(s, trace_reader_node(r, node)->addr);
		if (p->wrappers < p->count)
			return node;
	}
	return script != 0 ? script : stack;
}

const char *symbols_site(struct symbols *s, const struct trace_reader *r, uint32_t stack)
{
	const char *names[SYMBOLS_DEPTH];
	return symbols_path_to(s, r, stack, 1, names, NULL) != 0 ? names[0] : "";
}
