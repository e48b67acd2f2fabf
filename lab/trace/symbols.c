/* symbols.c - libdw over the mappings of a recording. */
#include "trace/symbols.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "cli/lab.h"

enum { ID_LEN = 48, PATH_LEN = 1024 };

struct module_map {
	uint64_t start, end, offset;
	char id[ID_LEN];
	char *name;
	bool tried;
	Dwfl_Module *module; /* NULL: not readable, or not the same file any more */
};

struct known { /* an address already asked, or named by the recording itself */
	uint64_t addr;
	char *name; /* NULL: empty */
};

struct symbols {
	Dwfl *dwfl;
	struct module_map *maps;
	size_t map_count, map_cap;
	struct known *known;
	size_t known_count, known_cap;
	bool said; /* that there is no memory for all of them */
};

static struct known *known_slot(const struct symbols *s, uint64_t addr)
{
	size_t i = addr * 0x9e3779b97f4a7c15u >> 24 & (s->known_cap - 1);
	while (s->known[i].name != NULL && s->known[i].addr != addr)
		i = (i + 1) & (s->known_cap - 1);
	return &s->known[i];
}

static const char *remember(struct symbols *s, uint64_t addr, const char *name)
{
	if (2 * (s->known_count + 1) > s->known_cap) {
		const struct symbols old = *s;
		s->known_cap = max_size(1024, 2 * old.known_cap);
		s->known = calloc(s->known_cap, sizeof *s->known);
		if (s->known == NULL) {
			*s = old;
			return "?";
		}
		for (size_t i = 0; i < old.known_cap; i++)
			if (old.known[i].name != NULL)
				*known_slot(s, old.known[i].addr) = old.known[i];
		free(old.known);
	}
	struct known *const k = known_slot(s, addr);
	if (k->name == NULL) {
		*k = (struct known){addr, strdup(name)};
		s->known_count += k->name != NULL;
	}
	return k->name != NULL ? k->name : "?";
}

static void add_mapping(struct symbols *s, const struct module_map *m)
{
	if (s->map_count == s->map_cap) {
		const size_t cap = max_size(64, 2 * s->map_cap);
		struct module_map *const more = realloc(s->maps, cap * sizeof *more);
		if (more == NULL)
			return;
		s->maps = more;
		s->map_cap = cap;
	}
	s->maps[s->map_count] = *m;
	s->maps[s->map_count].name = strdup(m->name);
	s->map_count += s->maps[s->map_count].name != NULL;
}

static void read_maps(void *arg, const char *text, size_t len)
{
	char name[PATH_LEN];

	(void)len;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
		struct module_map m = {.name = name};
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %47s %1023[^\n]", &m.start, &m.end,
			&m.offset, m.id, name) == 5)
			add_mapping(arg, &m);
	}
}

static void read_names(void *arg, const char *text, size_t len)
{
	char name[SYMBOLS_LEN];
	uint64_t addr;

	(void)len;
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
		if (sscanf(line, "%" SCNx64 " %255[^\n]", &addr, name) == 2)
			remember(arg, addr, name);
}

struct symbols *symbols_open(const struct trace_file *f)
{
	static char *debuginfo_path;
	static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
	    .find_debuginfo = dwfl_standard_find_debuginfo,
	    .section_address = dwfl_offline_section_address,
	    .debuginfo_path = &debuginfo_path};
	struct symbols *const s = calloc(1, sizeof *s);
	struct trace_error ignored;

	if (s == NULL)
		return NULL;
	setenv("DEBUGINFOD_URLS", "", 1); /* no network */
	s->dwfl = dwfl_begin(&callbacks);
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
		free(s->known[i].name);
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
	m->tried = true;
	for (const struct module_map *other = s->maps; other < m; other++)
		if (other->tried && strcmp(other->name, m->name) == 0 && strcmp(other->id, m->id) == 0) {
			m->module = other->module;
			return;
		}
	if (s->dwfl == NULL || m->name[0] != '/')
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
		if (gelf_getphdr(elf, (int)i, &p) == NULL || p.p_type != PT_LOAD || offset < p.p_offset ||
		    offset >= p.p_offset + p.p_filesz)
			continue;
		*at = offset - p.p_offset + p.p_vaddr + bias;
		return true;
	}
	return false;
}

static const char *file_part(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* C++ names as people write them.  libstdc++ knows how; where it is not installed they stay as they are. */
static const char *plain_name(const char *name, char buf[SYMBOLS_LEN])
{
	typedef char *demangle(const char *, char *, size_t *, int *);
	static demangle *function;
	static bool tried;
	int status = -1;

	if (name == NULL || strncmp(name, "_Z", 2) != 0)
		return name;
	if (!tried) {
		void *const library = dlopen("libstdc++.so.6", RTLD_NOW);
		function = library != NULL ? (demangle *)dlsym(library, "__cxa_demangle") : NULL;
		tried = true;
	}
	char *const plain = function != NULL ? function(name, NULL, NULL, &status) : NULL;
	if (plain == NULL || status != 0)
		return name;
	snprintf(buf, SYMBOLS_LEN, "%s", plain);
	free(plain);
	return buf;
}

static void describe(struct symbols *s, struct module_map *m, uint64_t addr, char *name)
{
	GElf_Addr at;
	GElf_Off offset;
	GElf_Sym sym;
	int line = 0;

	if (!m->tried)
		load(s, m);
	const bool found = m->module != NULL && locate(m, addr, &at);
	char plain[SYMBOLS_LEN];
	const char *const mangled =
	    found ? dwfl_module_addrinfo(m->module, at, &offset, &sym, NULL, NULL, NULL) : NULL;
	const char *const function = plain_name(mangled, plain);
	Dwfl_Line *const l = found ? dwfl_module_getsrc(m->module, at) : NULL;
	const char *const source = l != NULL ? dwfl_lineinfo(l, NULL, &line, NULL, NULL, NULL) : NULL;

	if (function != NULL && source != NULL)
		snprintf(name, SYMBOLS_LEN, "%.200s (%.40s:%d)", function, file_part(source), line);
	else if (function != NULL)
		snprintf(name, SYMBOLS_LEN, "%.200s (%.50s)", function, file_part(m->name));
	else
		snprintf(name, SYMBOLS_LEN, "%s+0x%" PRIx64, file_part(m->name),
		    addr - m->start + m->offset);
}

/* libdw names what it can and goes on: whoever reads less than the whole place must know why. */
static void say_if_short(struct symbols *s, uint64_t addr)
{
	if (errno == ENOMEM && !s->said)
		lab_say("no memory to look up all call sites, as 0x%" PRIx64 ": they are told less exactly", addr);
	s->said = s->said || errno == ENOMEM;
}

const char *symbols_name(struct symbols *s, uint64_t addr)
{
	char name[SYMBOLS_LEN];

	errno = 0;
	if (s->known_cap != 0 && known_slot(s, addr)->name != NULL)
		return known_slot(s, addr)->name;
	snprintf(name, sizeof name, "0x%" PRIx64, addr);
	for (size_t i = s->map_count; i-- > 0;)
		if (addr - 1 >= s->maps[i].start && addr - 1 < s->maps[i].end) {
			describe(s, &s->maps[i], addr - 1, name); /* a return address: the call is before it */
			break;
		}
	const char *const kept = remember(s, addr, name);
	say_if_short(s, addr);
	return kept;
}
