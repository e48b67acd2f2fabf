/* record_climb.c - who called the wrapper that called malloc: from xmalloc, std::vector and
 * operator new up to the program's own function.
 *
 * A function is a wrapper by its name (wrapper_names.h), which the module's symbol table tells: it
 * is read once a module, from the file or from its debugging information under /usr/lib/debug, and
 * only the ranges of wrappers are kept.  A call site is looked up once; a small table in each tape
 * remembers the answer, so that a call that comes from no wrapper costs one comparison.  Frames are
 * climbed by the tables for C++'s exceptions (os/frame_rules.h), which every module has.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/crash.h"
#include "base/elf_id.h"
#include "observe/record.h"
#include "observe/wrapper_names.h"
#include "os/frame_rules.h"

enum { MODULES_MAX = 256, PATH_LEN = 1024, FRAME_MAX = 1 << 20, LOOKS_MAX = 64, AHEAD = 16 };

struct code_range {
	uintptr_t start, end;
};

struct known_module {
	uintptr_t start, end;
	struct code_range *wrapper; /* by start */
	size_t count;
};

static struct {
	struct lock lock;
	struct known_module at[MODULES_MAX]; /* those below count do not change any more */
	_Atomic size_t count;
} modules;

void climb_after_fork(void)
{
	lock_reset(&modules.lock);
	python_after_fork();
}

/* ---- symbol tables --------------------------------------------------------------------------- */

struct elf {
	const char *bytes;
	size_t len;
};

static bool map_elf(const char *path, struct elf *e)
{
	struct stat st;
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	*e = (struct elf){.bytes = NULL};
	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > (off_t)sizeof(Elf64_Ehdr)) {
		void *const p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p != MAP_FAILED)
			*e = (struct elf){p, (size_t)st.st_size};
	}
	close(fd);
	if (e->bytes != NULL && memcmp(e->bytes, ELFMAG, SELFMAG) == 0 &&
	    e->bytes[EI_CLASS] == ELFCLASS64)
		return true;
	if (e->bytes != NULL)
		munmap((void *)(uintptr_t)e->bytes, e->len);
	return false;
}

static void unmap_elf(const struct elf *e)
{
	munmap((void *)(uintptr_t)e->bytes, e->len);
}

/* The section of a type, or NULL; its bytes are within the file. */
static const Elf64_Shdr *section(const struct elf *e, uint32_t type)
{
	const Elf64_Ehdr *const h = (const Elf64_Ehdr *)e->bytes;

	if (h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shoff > e->len ||
	    (e->len - h->e_shoff) / sizeof(Elf64_Shdr) < h->e_shnum)
		return NULL;
	const Elf64_Shdr *const s = (const Elf64_Shdr *)(e->bytes + h->e_shoff);
	for (unsigned i = 0; i < h->e_shnum; i++)
		if (s[i].sh_type == type && s[i].sh_offset <= e->len &&
		    s[i].sh_size <= e->len - s[i].sh_offset && s[i].sh_link < h->e_shnum &&
		    s[s[i].sh_link].sh_offset <= e->len &&
		    s[s[i].sh_link].sh_size <= e->len - s[s[i].sh_link].sh_offset)
			return &s[i];
	return NULL;
}

/* The wrappers among the symbols.  How many. */
static size_t collect(const struct elf *e, const Elf64_Shdr *table, uintptr_t bias,
    struct code_range *to)
{
	const Elf64_Shdr *const sections =
	    (const Elf64_Shdr *)(e->bytes + ((const Elf64_Ehdr *)e->bytes)->e_shoff);
	const Elf64_Shdr *const names = &sections[table->sh_link];
	const Elf64_Sym *const symbol = (const Elf64_Sym *)(e->bytes + table->sh_offset);
	const size_t count = table->sh_size / sizeof *symbol;
	size_t found = 0;

	if (names->sh_size == 0 || e->bytes[names->sh_offset + names->sh_size - 1] != '\0')
		return 0;
	for (size_t i = 0; i < count; i++) {
		const Elf64_Sym *const s = &symbol[i];
		if (i + AHEAD < count)
			__builtin_prefetch(e->bytes + names->sh_offset + symbol[i + AHEAD].st_name);
		if ((s->st_info & 0xf) == STT_FUNC && s->st_shndx != SHN_UNDEF && s->st_size != 0 &&
		    s->st_name < names->sh_size &&
		    wrapper_name(e->bytes + names->sh_offset + s->st_name))
			to[found++] = (struct code_range){
			    bias + s->st_value, bias + s->st_value + s->st_size};
	}
	return found;
}

/* Heap sort: by start. */
static void sift(struct code_range *r, size_t i, size_t count)
{
	for (size_t child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && r[child + 1].start > r[child].start)
			child++;
		if (r[i].start >= r[child].start)
			return;
		const struct code_range swap = r[i];
		r[i] = r[child];
		r[child] = swap;
	}
}

static void sort(struct code_range *r, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift(r, i, count);
	for (size_t last = count; last-- > 1;) {
		const struct code_range swap = r[0];
		r[0] = r[last];
		r[last] = swap;
		sift(r, 0, last);
	}
}

/* Room for all symbols is mapped, and what the wrappers do not need is given back. */
static void keep(struct known_module *m, const struct elf *e, const Elf64_Shdr *table,
    uintptr_t bias)
{
	const size_t room =
	    round_up(table->sh_size / sizeof(Elf64_Sym) * sizeof *m->wrapper + 1, 4096);
	char *const p = mmap(NULL, room, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return;
	m->wrapper = (struct code_range *)(void *)p;
	m->count = collect(e, table, bias, m->wrapper);
	const size_t used = round_up(m->count * sizeof *m->wrapper, 4096);
	if (used < room)
		munmap(p + used, room - used);
	sort(m->wrapper, m->count);
}

/* A stripped file's symbols, where Debian's -dbgsym packages put them. */
static bool map_debug(const struct elf *e, struct elf *debug)
{
	const Elf64_Shdr *const notes = section(e, SHT_NOTE);
	char path[96] = "/usr/lib/debug/.build-id/", id[48] = "";

	if (notes == NULL || !elf_id_in_notes(e->bytes + notes->sh_offset, notes->sh_size, id))
		return false;
	crash_format(path + strlen(path), sizeof path - strlen(path), "%s", id);
	char *const rest = path + strlen("/usr/lib/debug/.build-id/") + 2; /* ab/cdef.debug */
	crash_format(rest, sizeof path - (size_t)(rest - path), "/%s.debug", id + 2);
	return map_elf(path, debug);
}

static void read_symbols(struct known_module *m, const char *path, uintptr_t bias)
{
	struct elf e, debug;

	if (!map_elf(path, &e))
		return;
	const Elf64_Shdr *table = section(&e, SHT_SYMTAB);
	if (table == NULL && map_debug(&e, &debug)) {
		table = section(&debug, SHT_SYMTAB);
		if (table != NULL)
			keep(m, &debug, table, bias);
		unmap_elf(&debug);
	} else {
		table = table != NULL ? table : section(&e, SHT_DYNSYM);
		if (table != NULL)
			keep(m, &e, table, bias);
	}
	unmap_elf(&e);
}

/* ---- wrappers -------------------------------------------------------------------------------- */

static const struct known_module *module_known(uintptr_t pc)
{
	const size_t count = atomic_load_explicit(&modules.count, memory_order_acquire);

	for (size_t i = 0; i < count; i++)
		if (pc >= modules.at[i].start && pc < modules.at[i].end)
			return &modules.at[i];
	return NULL;
}

/* modules.lock is held. */
static const struct known_module *module_read(uintptr_t pc)
{
	struct module m;
	uintptr_t bias;
	const char *path;
	const struct known_module *const known = module_known(pc);

	if (known != NULL)
		return known;
	if (modules.count == MODULES_MAX || !module_of(pc, &m))
		return NULL;
	struct known_module *const k = &modules.at[modules.count];
	*k = (struct known_module){.start = m.start, .end = m.end};
	if (module_file(pc, &path, &bias))
		read_symbols(k, path, bias);
	atomic_fetch_add_explicit(&modules.count, 1, memory_order_release);
	return k;
}

static const struct known_module *module_with(uintptr_t pc)
{
	const struct known_module *m = module_known(pc);
	struct signals mask;

	if (m != NULL)
		return m;
	signals_block(&mask);
	lock_take(&modules.lock);
	m = module_read(pc);
	lock_give(&modules.lock);
	signals_restore(&mask);
	return m;
}

static bool in_wrapper(uintptr_t pc)
{
	const struct known_module *const m = module_with(pc);
	size_t low = 0;
	size_t high = m != NULL ? m->count : 0;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (m->wrapper[middle].start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && pc < m->wrapper[low - 1].end;
}

/* Of a return address; the answer is kept in the tape. */
static bool is_wrapper(struct tape *t, uintptr_t caller)
{
	uintptr_t *const slot = tape_site(t, (void *)caller);

	if (*slot == caller)
		return false;
	if (*slot == (caller | SITE_WRAPPER))
		return true;
	const bool is = in_wrapper(caller - 1);
	*slot = is ? caller | SITE_WRAPPER : caller;
	return is;
}

/* ---- climbing -------------------------------------------------------------------------------- */

struct at {
	uintptr_t pc, sp, fp;
};

static bool read_word(const struct at *from, uintptr_t top, uintptr_t at, uintptr_t *to)
{
	if (at % sizeof *to != 0 || at < from->sp || at > top - sizeof *to)
		return false;
	*to = *(const uintptr_t *)at;
	return true;
}

static void note_wrapper(struct tape *t, uintptr_t pc, const struct frame_rules *r)
{
	const int64_t offset = r->offset + r->ra.offset;

	if (offset == (int32_t)offset && r->offset == (int32_t)r->offset)
		*tape_wrapper(t, pc) = (struct wrapper_site){
		    pc, (int32_t)offset, (int32_t)r->offset, r->base == REG_FP};
}

static bool up(struct tape *t, struct at *f, uintptr_t top)
{
	struct frame_rules r;
	struct at above = {.fp = f->fp};

	if (!frame_rules_at(f->pc - 1, &r) || r.ra.rule != RULE_AT_OFFSET)
		return false;
	above.sp = (r.base == REG_SP ? f->sp : f->fp) + (uintptr_t)r.offset;
	if (above.sp <= f->sp || above.sp - f->sp > FRAME_MAX || above.sp > top ||
	    !read_word(f, top, above.sp + (uintptr_t)r.ra.offset, &above.pc) || above.pc < 4096)
		return false;
	if (r.fp.rule == RULE_AT_OFFSET &&
	    !read_word(f, top, above.sp + (uintptr_t)r.fp.offset, &above.fp))
		return false;
	if (r.fp.rule == RULE_UNKNOWN || r.fp.rule == RULE_UNDEFINED)
		above.fp = 0;
	note_wrapper(t, f->pc, &r);
	*f = above;
	return true;
}

/* Is sp on the stack whose end is known?  A program that changes stacks often is not followed. */
static bool stack_is_known(struct tape *t, uintptr_t sp)
{
	if (sp >= t->stack_low && sp < t->stack_top)
		return true;
	if (t->stack_looks >= LOOKS_MAX)
		return false;
	t->stack_looks++;
	stack_bounds(t);
	return sp >= t->stack_low && sp < t->stack_top;
}

uintptr_t climb_known(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp)
{
	const struct wrapper_site *const w = tape_wrapper(t, (uintptr_t)caller);
	const struct at f = {.sp = sp};
	const uintptr_t base = w->by_fp ? fp : sp, above = base + (uintptr_t)w->frame;
	uintptr_t pc;

	if (w->pc != (uintptr_t)caller || sp < t->stack_low || sp >= t->stack_top || above <= sp ||
	    above > t->stack_top || above - sp > FRAME_MAX ||
	    !read_word(&f, t->stack_top, base + (uintptr_t)w->offset, &pc))
		return 0;
	return pc;
}

size_t climb(struct tape *t, void *caller, uintptr_t fp, uintptr_t sp, void **frames)
{
	struct at f = {(uintptr_t)caller, sp, fp};
	size_t n = 1;

	frames[0] = caller;
	if (!is_wrapper(t, f.pc) || !stack_is_known(t, sp))
		return n;
	while (n < CLIMB_MAX && up(t, &f, t->stack_top)) {
		frames[n++] = (void *)f.pc;
		if (!is_wrapper(t, f.pc))
			break;
	}
	return n;
}
