/* frames.c - see frames.h.
 *
 *   pc --> compilation unit --> scopes around pc, innermost first:
 *      inlined  its name; its line is that of pc, or of the call that the scope inside it was
 *               inlined for
 *      function the same, and the end
 *
 * The line table alone is not believed: where no unit holds the address, its nearest line is of
 * another function.
 */
#include "trace/frames.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gelf.h>
#include <libiberty/demangle.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "observe/wrapper_names.h"
#include "observe/xxh64.h"

const char *frame_file_part(const char *path)
{
	const char *const slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

uint64_t frame_hash(const char *name, size_t len, const char *path, int line)
{
	const uint64_t named = xxh64(path, strlen(path), xxh64(name, len, (uint64_t)line));
	return named != 0 ? named : 1;
}

/* C++ and Rust names as people write them, without parameters; *known is NULL where the name is as
 * it is.  The caller frees it.  The length, without the version of a symbol. */
static size_t demangle(const char *name, char **known)
{
	*known = cplus_demangle(name, DMGL_AUTO | DMGL_ANSI);
	const char *const text = *known != NULL ? *known : name;
	return name[0] != '@' ? strcspn(text, "@") : strlen(text);
}

/* Sources of the C++ and Rust libraries, wherever they were compiled. */
static bool is_library_source(const char *path)
{
	return path != NULL && (strstr(path, "/include/c++/") != NULL ||
	    strstr(path, "/libstdc++-v3/") != NULL ||
	    (strncmp(path, "/rustc/", 7) == 0 && strstr(path, "/library/") != NULL));
}

static void put(struct code_frame *f, const char *linkage, const char *source, int line,
    const char *file)
{
	char *known;
	const size_t len = demangle(linkage, &known);
	const char *const plain = known != NULL ? known : linkage;
	const int shown = (int)min_size(len, 200);
	const bool has_line = source != NULL && line != 0;

	f->wrapper = wrapper_name(linkage) || is_library_source(source);
	f->whole = frame_hash(plain, len, has_line ? source : file, has_line ? line : 0);
	if (has_line)
		snprintf(f->name, sizeof f->name, "%.*s (%.40s:%d)", shown, plain,
		    frame_file_part(source), line);
	else
		snprintf(f->name, sizeof f->name, "%.*s (%.50s)", shown, plain,
		    frame_file_part(file));
	free(known);
}

/* The name that the linker knows, else the one in the source; NULL: it has none. */
static const char *name_of(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;
	const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name,
	    &attribute));

	if (name == NULL)
		name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name,
		    &attribute));
	return name != NULL ? name : dwarf_diename(die);
}

static const char *call_source(Dwarf_Die *cu, Dwarf_Die *inlined, int *line)
{
	Dwarf_Attribute attribute;
	Dwarf_Word number = 0, file = 0;
	Dwarf_Files *files;
	size_t count;

	*line = 0;
	if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &number) != 0 ||
	    dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0 ||
	    dwarf_getsrcfiles(cu, &files, &count) != 0 || file >= count)
		return NULL;
	*line = (int)number;
	return dwarf_filesrc(files, file, NULL, NULL);
}

enum { DEPTH_MAX = 64 };

struct scope_chain {
	Dwarf_Die die[DEPTH_MAX]; /* innermost first */
	int count;
};

static bool may_hold_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
	    tag == DW_TAG_class_type || tag == DW_TAG_union_type || tag == DW_TAG_enumeration_type;
}

/* The scopes below `die` that hold pc, innermost first; depth: how many lie around it. */
static bool descend(Dwarf_Die *die, Dwarf_Addr pc, struct scope_chain *chain, int depth)
{
	Dwarf_Die child;

	for (int r = dwarf_child(die, &child); r == 0; r = dwarf_siblingof(&child, &child)) {
		const int tag = dwarf_tag(&child);
		const bool scope =
		    tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine ||
		    tag == DW_TAG_lexical_block;
		if (!(scope && dwarf_haspc(&child, pc) > 0) && !may_hold_functions(tag))
			continue;
		const bool deeper = depth < DEPTH_MAX && descend(&child, pc, chain, depth + 1);
		if (scope && chain->count < DEPTH_MAX)
			chain->die[chain->count++] = child;
		if (scope || deeper)
			return true;
	}
	return false;
}

/* libdw finds them where functions lie directly in the unit, as those of C and C++ do; Rust's
 * are in namespaces. */
static void scopes_around(Dwarf_Die *cu, Dwarf_Addr pc, struct scope_chain *chain)
{
	Dwarf_Die innermost, *around = NULL;

	chain->count = 0;
	const int n = dwarf_getscopes(cu, pc, &around);
	if (n <= 0) {
		descend(cu, pc, chain, 0);
		return;
	}
	/* what lies around an inlined function in the source is not where it was inlined */
	innermost = around[0];
	free(around);
	around = NULL;
	chain->count = dwarf_getscopes_die(&innermost, &around);
	chain->count = chain->count > DEPTH_MAX ? DEPTH_MAX : chain->count < 0 ? 0 : chain->count;
	if (chain->count != 0)
		memcpy(chain->die, around, (size_t)chain->count * sizeof *around);
	free(around);
}

static size_t from_scopes(Dwfl_Module *module, GElf_Addr at, const char *symbol, const char *file,
    struct code_frame frames[FRAMES_MAX])
{
	Dwarf_Addr bias;
	Dwarf_Die *const cu = dwfl_module_addrdie(module, at, &bias);
	Dwfl_Line *const l = cu != NULL ? dwfl_module_getsrc(module, at) : NULL;
	struct scope_chain chain;
	int line = 0;
	size_t found = 0;
	bool whole = false;

	if (l == NULL)
		return 0;
	const char *source = dwfl_lineinfo(l, NULL, &line, NULL, NULL, NULL);
	scopes_around(cu, at - bias, &chain);
	for (int i = 0; i < chain.count && found < FRAMES_MAX && !whole; i++) {
		const int tag = dwarf_tag(&chain.die[i]);
		const char *const name = name_of(&chain.die[i]);
		if (tag != DW_TAG_inlined_subroutine && tag != DW_TAG_subprogram)
			continue;
		whole = tag == DW_TAG_subprogram;
		put(&frames[found++], whole && symbol != NULL ? symbol : name != NULL ? name : "?",
		    source, line, file);
		if (!whole)
			source = call_source(cu, &chain.die[i], &line);
	}
	return whole ? found : 0;
}

size_t frames_at(Dwfl_Module *module, GElf_Addr at, const char *file,
    struct code_frame frames[FRAMES_MAX])
{
	GElf_Off offset = 0;
	GElf_Sym symbol;
	const char *name = dwfl_module_addrinfo(module, at, &offset, &symbol, NULL, NULL, NULL);

	if (name != NULL && symbol.st_size != 0 && offset >= symbol.st_size)
		name = NULL; /* of what lies before */
	const size_t found = from_scopes(module, at, name, file, frames);
	if (found != 0)
		return found;
	if (name == NULL)
		return 0;
	put(&frames[0], name, NULL, 0, file);
	return 1;
}
