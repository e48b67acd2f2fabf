/* mtrace.c - glibc's mtrace(3): MALLOC_TRACE=F LD_PRELOAD=libc_malloc_debug.so.0 PROGRAM.
 *
 *   = Start                  = End
 *   @ WHERE + PTR SIZE       malloc, calloc, memalign, or realloc of NULL
 *   @ WHERE - PTR            free, or realloc to 0
 *   @ WHERE < OLD            realloc: this line, then
 *   @ WHERE > NEW SIZE       this one
 *   @ WHERE ! OLD SIZE       realloc failed
 *
 * WHERE is FILE:(SYMBOL+OFFSET)[ADDRESS], parts of which may miss.  The address counts from the
 * file's first mapping (before glibc 2.26: from 0, unless it was known to be mapped elsewhere).
 * Each file gets a range of 1 TiB, at which it is said to be mapped.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "import/import.h"

enum { NAMED = 4096, MODULES_MAX = 4096 };
#define MODULE_RANGE ((uint64_t)1 << 40)

struct mtrace_module {
	char *path;
	bool here; /* the file can be read: libdw names its functions */
};

struct mtrace {
	struct import *im;
	struct mtrace_module *modules;
	size_t count, cap;
	size_t last;            /* the module that was named last */
	uint64_t moving;        /* the old address of a realloc whose second line is to come */
	bool half;
	uint64_t named[NAMED];  /* addresses whose names are written, by hash */
};

static bool is_mtrace(const char *line)
{
	return strcmp(line, "= Start") == 0 || (line[0] == '@' && line[1] == ' ');
}

/* ---- where ---------------------------------------------------------------------------------- */

static bool add_module(struct mtrace *m, const char *path)
{
	struct import *const im = m->im;

	if (!import_room(im, (void **)&m->modules, &m->cap, m->count + 1, sizeof *m->modules))
		return false;
	if (m->count == MODULES_MAX)
		return import_fail(im, "more than %d files", MODULES_MAX);
	struct mtrace_module *const new = &m->modules[m->count++];
	const uint64_t base = m->count * MODULE_RANGE;
	new->path = strdup(path);
	if (new->path == NULL)
		return import_fail(im, "no memory for the name of a file");
	im->tables += strlen(path);
	new->here = import_module(im, path, base, false);
	if (!new->here)
		import_say(im, TRACE_MAPS, "%" PRIx64 " %" PRIx64 " 0 - %s", base,
		    base + MODULE_RANGE,
		    im->scrub ? "unknown" : path);
	return true;
}

/* The index of the file; count: no memory. */
static size_t module_of(struct mtrace *m, const char *path)
{
	if (m->last < m->count && strcmp(m->modules[m->last].path, path) == 0)
		return m->last;
	for (m->last = 0; m->last < m->count; m->last++)
		if (strcmp(m->modules[m->last].path, path) == 0)
			return m->last;
	add_module(m, path);
	return m->last;
}

static void name_address(struct mtrace *m, uint64_t addr, const char *symbol, const char *path)
{
	uint64_t *const seen = &m->named[(addr ^ addr >> 12) % NAMED];
	const char *const slash = strrchr(path, '/');

	if (*seen != addr && *symbol != '\0')
		import_say(m->im, TRACE_SYMBOLS, "%" PRIx64 " %.100s (%.100s)", addr, symbol,
		    slash != NULL ? slash + 1 : path);
	*seen = addr;
}

/* "FILE:(SYMBOL+OFFSET)[ADDRESS]" as an address of ours; 0: none is given. */
static bool read_where(struct mtrace *m, char *where, uint64_t *addr)
{
	char *const bracket = strrchr(where, '['), *symbol = NULL;
	char *const end = bracket != NULL ? strchr(bracket, ']') : NULL;

	*addr = 0;
	if (end == NULL || end[1] != '\0')
		return import_fail(m->im, "'%.40s' has no [address]", where);
	*end = *bracket = '\0';
	if (!import_number(m->im, bracket + 1, 16, IMPORT_ADDRESS_MAX, addr))
		return false;
	if (bracket > where && bracket[-1] == ')' && (symbol = strrchr(where, '(')) != NULL) {
		bracket[-1] = '\0';
		*symbol++ = '\0';
	}
	char *const colon = where + strlen(where) - (where[0] != '\0');
	if (*colon != ':' || colon == where)
		return true;
	*colon = '\0';
	const size_t i = module_of(m, where);
	if (i >= m->count || m->im->error[0] != '\0')
		return false;
	if (*addr < MODULE_RANGE)
		*addr += (i + 1) * MODULE_RANGE;
	if (symbol != NULL && !m->modules[i].here)
		name_address(m, *addr, symbol, where);
	return true;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static bool read_address(struct mtrace *m, const char *word, uint64_t *addr)
{
	*addr = 0;
	return strcmp(word, "(nil)") == 0 || import_number(m->im, word, 16, IMPORT_ADDRESS_MAX,
	    addr);
}

static bool write_event(struct mtrace *m, struct trace_event ev, uint64_t caller)
{
	ev.thread = 1;
	ev.tick = import_tick(m->im, 0);
	import_event(m->im, &ev, &caller, caller != 0);
	return true;
}

static bool read_call(struct mtrace *m, uint64_t caller, char **word, size_t count)
{
	uint64_t addr, size = 0;
	const char op = word[0][0];

	if (word[0][1] != '\0' || strchr("+-<>!", op) == NULL)
		return import_fail(m->im, "'%.40s' is none of + - < > !", word[0]);
	if (count != (op == '-' || op == '<' ? 2 : 3))
		return import_fail(m->im, "'%c' has a pointer%s", op, op == '-' ||
		    op == '<' ? "" : " and a size");
	if (!read_address(m, word[1], &addr) ||
	    (count == 3 && !import_number(m->im, word[2], 16, UINT64_MAX, &size)))
		return false;
	if (m->half != (op == '>'))
		return import_fail(m->im, m->half ? "the second line of a realloc is missing"
		                                  : "the first line of a realloc is missing");
	m->half = op == '<';
	switch (op) {
	case '+':
		return write_event(m, (struct trace_event){.op = TRACE_OP_MALLOC, .addr = addr,
		    .size = size}, caller);
	case '-':
		return write_event(m, (struct trace_event){.op = TRACE_OP_FREE, .addr = addr},
		    caller);
	case '<':
		m->moving = addr;
		return true;
	case '>':
		return write_event(m, (struct trace_event){.op = TRACE_OP_REALLOC, .addr = addr,
		    .size = size,
		    .old = m->moving}, caller);
	default:
		return write_event(m, (struct trace_event){.op = TRACE_OP_REALLOC, .old = addr,
		    .size = size}, caller);
	}
}

/* "@ WHERE CALL" or "CALL"; there may be blanks in WHERE. */
static bool read_entry(struct mtrace *m)
{
	struct import *const im = m->im;
	char *word[3], *end = NULL;
	uint64_t caller = 0;

	if (im->line[0] == '=')
		return true;
	if (im->line[0] == '@') {
		for (char *at = im->line; (at = strstr(at, "] ")) != NULL; at++)
			end = at;
		if (end == NULL || im->line[1] != ' ')
			return import_fail(im, "'@' without a place");
		end[1] = '\0';
		if (!read_where(m, im->line + 2, &caller))
			return false;
		im->line = end + 2;
	}
	const size_t count = import_words(im, word, 3);
	if (count == 0 && end == NULL)
		return true;
	if (count < 2 || count > 3)
		return import_fail(im, "a call is an operation, a pointer and perhaps a size");
	return read_call(m, caller, word, count);
}

static bool run_mtrace(struct import *im)
{
	struct mtrace m = {.im = im};
	bool fine = true, ended = false;

	while (fine && import_line(im)) {
		ended = strcmp(im->line, "= End") == 0;
		fine = read_entry(&m);
	}
	if (fine && im->error[0] == '\0' && m.half)
		fine = import_fail(im, "truncated: the second line of a realloc is missing");
	if (fine && !ended)
		import_note(im, "it has no '= End': the program never called muntrace, or was "
		    "killed");
	for (size_t i = 0; i < m.count; i++)
		free(m.modules[i].path);
	free(m.modules);
	return fine && im->error[0] == '\0';
}

const struct import_format import_mtrace = {"mtrace", "a trace of glibc's mtrace",
    "threads, times, calloc and memalign (they look like malloc)", TRACE_CALLER, is_mtrace,
    run_mtrace};
