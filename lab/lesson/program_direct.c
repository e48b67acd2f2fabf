/* program_direct.c - C source for a fault that only the design's check() and walk() see: it calls
 * the functions of struct dmm_system, on an operating system of thirty lines. */
#include <inttypes.h>
#include <string.h>

#include "lesson/program.h"

static const char prologue[] =
    "#define _GNU_SOURCE\n#include <errno.h>\n#include <stdio.h>\n#include <string.h>\n"
    "#include <sys/mman.h>\n\n#include \"dmm_system.h\"\n\n"
    "/* ---- an operating system: a break, and mappings above it ---- */\n\n"
    "static char *area, *brk_now, *map_next;\nstatic size_t owned;\nstatic int refuse;\n\n"
    "static int refused(void)\n{\n\tconst int r = refuse;\n\trefuse = 0;\n\treturn r;\n}\n\n"
    "static void *brk_get(void *ctx)\n{\n\t(void)ctx;\n\treturn brk_now;\n}\n\n"
    "static int brk_set(void *ctx, void *to)\n{\n\t(void)ctx;\n\tif (refused())\n"
    "\t\treturn -ENOMEM;\n\towned += (size_t)((char *)to - brk_now);\n\tbrk_now = to;\n"
    "\treturn 0;\n}\n\n"
    "static void *map(void *ctx, size_t len, size_t align)\n{\n\t(void)ctx;\n\tif (refused())\n"
    "\t\treturn NULL;\n\tchar *const p = (char *)(((uintptr_t)map_next + align - 1) & ~(align - "
    "1));\n"
    "\tmap_next = p + len;\n\towned += len;\n\treturn p;\n}\n\n"
    "static int unmap(void *ctx, void *p, size_t len)\n{\n\t(void)ctx;\n\tmemset(p, 0, len);\n"
    "\towned -= len;\n\treturn 0;\n}\n\n"
    "static void *remap(void *ctx, void *p, size_t old_len, size_t len)\n{\n"
    "\t(void)ctx, (void)p, (void)old_len, (void)len;\n\treturn NULL;\n}\n\n"
    "static int protect(void *ctx, void *p, size_t len, enum dmm_protect how)\n{\n"
    "\t(void)ctx, (void)p, (void)len, (void)how;\n\treturn 0;\n}\n\n"
    "static int purge(void *ctx, void *p, size_t len)\n{\n\t(void)ctx;\n\tmemset(p, 0, len);\n"
    "\treturn 0;\n}\n\n"
    "static int advise(void *ctx, void *p, size_t len, enum dmm_advice what)\n{\n"
    "\t(void)ctx, (void)p, (void)len, (void)what;\n\treturn 0;\n}\n\n"
    "static uint64_t now_ns(void *ctx)\n{\n\t(void)ctx;\n\treturn 0;\n}\n\n"
    "static const struct dmm_os os = {.name = \"small\", .page = 4096, .brk_get = brk_get,\n"
    "\t.brk_set = brk_set, .map = map, .reserve = map, .unmap = unmap, .remap = remap,\n"
    "\t.protect = protect, .purge = purge, .advise = advise, .now_ns = now_ns};\n\n";

static const char calls[] =
    "/* ---- the calls, as libdmm-any makes them of malloc, realloc and free ---- */\n\n"
    "static const struct dmm_system *s;\nstatic void *st;\n\n"
    "static char *take(size_t n)\n{\n\tchar *const p = s->alloc(st, n, DMM_ALIGN_MIN);\n"
    "\tif (p != NULL)\n\t\tmemset(p, 'x', s->usable(st, p));\n\treturn p;\n}\n\n"
    "static int wrong(const char *what)\n{\n\tfprintf(stderr, \"%s\\n\", what);\n\treturn "
    "1;\n}\n\n";

static const char change[] =
    "static char *change(char *p, size_t n)\n{\n"
    "\tchar *q = s->resize != NULL ? s->resize(st, p, n) : NULL;\n"
    "\tif (q == NULL && (q = s->alloc(st, n, DMM_ALIGN_MIN)) != NULL) {\n"
    "\t\tmemcpy(q, p, n < s->usable(st, p) ? n : s->usable(st, p));\n\t\ts->free(st, p);\n\t}\n"
    "\tif (q == NULL)\n\t\treturn p;\n\tmemset(q, 'x', s->usable(st, q));\n\treturn q;\n}\n\n";

static const char audit[] =
    "/* ---- is each live object in a live piece of its own, and is every byte told? ---- */\n\n"
    "static char *live[64];\nstatic size_t live_count, pieces, told;\nstatic uintptr_t end;\n\n"
    "static int piece(void *arg, const struct dmm_piece *p)\n{\n\t(void)arg;\n"
    "\tsize_t found = 0;\n\tif (p->addr < end)\n\t\treturn wrong(\"the walk goes back\");\n"
    "\tend = p->addr + p->len;\n\ttold += p->len;\n\tfor (size_t i = 0; i < live_count; i++)\n"
    "\t\tfound += (uintptr_t)live[i] >= p->addr &&\n"
    "\t\t    (uintptr_t)live[i] + s->usable(st, live[i]) <= end;\n"
    "\tpieces += p->kind == DMM_LIVE;\n"
    "\treturn p->kind == DMM_LIVE && found != 1 ? wrong(\"a live piece of no object\") : 0;\n}\n\n";

static bool can(const struct program *p)
{
	for (size_t k = 0; k < p->count; k++)
		if (p->step[k].op == SCRIPT_STRANGER || p->step[k].op == SCRIPT_ALIGNED)
			return false;
	return p->count < 64 && p->repeat <= 1 && p->result->end == TORTURE_BROKE &&
	    strchr(p->word, '=') != NULL && p->conf[0] == '\0';
}

static bool uses_realloc(const struct program *p)
{
	for (size_t k = 0; k < p->count; k++)
		if (p->step[k].op == SCRIPT_REALLOC)
			return true;
	return false;
}

static void put_head(FILE *out, const struct program *p)
{
	char link[RULE_LINK];

	fprintf(out, "/* %s: %s (%s).\n * %s\n *\n"
	    " * Malloc alone does not show it: this program calls the design's own functions.\n *\n"
	    " *   cc -g -Iinclude %s %s -o broken && ./broken; echo $?\n *\n"
	    " * Iinclude: where dmm_system.h is.  Status 1: it is still so.  Status 0: it is "
	    "mended.\n */\n",
	    p->word, p->rule->title, p->result->rule, rule_link(link, p->rule), p->file,
	    p->library);
	fputs(prologue, out);
	fputs(calls, out);
	if (uses_realloc(p))
		fputs(change, out);
	fputs(audit, out);
}

static void put_step(FILE *out, const struct program *p, size_t k)
{
	const struct script_step *const step = &p->step[k];
	char name[PROGRAM_NAME];
	const char *const a = program_name(name, p->step, p->count, step->name);

	if (step->refuse)
		fprintf(out, "\trefuse = 1; /* the next request of the design */\n");
	switch (step->op) {
	case SCRIPT_MALLOC:
	case SCRIPT_CALLOC:
		fprintf(out, "\tchar *%s = take(%" PRIu64 ");\n", a,
		    step->op == SCRIPT_CALLOC ? step->n * step->extra : step->n);
		break;
	case SCRIPT_REALLOC:
		fprintf(out, "\t%s = change(%s, %" PRIu64 ");\n", a, a, step->n);
		break;
	case SCRIPT_FREE:
		fprintf(out, "\ts->free(st, %s);\n", a);
		break;
	default:
		fprintf(out, "\tif (s->trim != NULL)\n\t\ts->trim(st, 0);\n");
	}
	if (step->refuse)
		fprintf(out, "\trefuse = 0;\n");
}

/* The objects that are live in the end. */
static void put_live(FILE *out, const struct program *p)
{
	char name[PROGRAM_NAME];

	for (size_t k = 0; k < p->count; k++) {
		bool freed = false;
		for (size_t i = k; i < p->count; i++)
			freed |= p->step[i].op == SCRIPT_FREE && p->step[i].name == p->step[k].name;
		if (p->step[k].op <= SCRIPT_CALLOC && !freed)
			fprintf(out, "\tif (%s != NULL)\n\t\tlive[live_count++] = %s;\n",
			    program_name(name, p->step, p->count, p->step[k].name), name);
	}
}

bool program_print_direct(FILE *out, const struct program *p)
{
	if (!can(p))
		return false;
	put_head(out, p);
	fprintf(out, "int main(void)\n{\n\tconst size_t len = (size_t)8 << 30;\n"
	    "\tarea = mmap(NULL, len, PROT_READ | PROT_WRITE,\n"
	    "\t    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);\n"
	    "\tif (area == MAP_FAILED)\n\t\treturn 2;\n\tbrk_now = area;\n\tmap_next = area + len "
	    "/ 2;\n"
	    "\ts = dmm_system_entry();\n\tst = map(NULL, (s->state_size + 4095) / 4096 * 4096, "
	    "4096);\n"
	    "\towned = 0;\n\tif (s->open(st, &s->defaults, &os) != 0)\n\t\treturn 2;\n\n");
	for (size_t k = 0; k < p->count; k++)
		put_step(out, p, k);
	fprintf(out, "\n\tstruct dmm_fault why = {0};\n"
	    "\tif (s->check != NULL && !s->check(st, &why))\n\t\treturn wrong(why.rule);\n");
	put_live(out, p);
	fprintf(out, "\tif (s->walk != NULL && s->walk(st, piece, NULL) != 0)\n\t\treturn 1;\n"
	    "\tif (s->walk != NULL && (pieces != live_count || told != owned))\n"
	    "\t\treturn wrong(\"the walk does not cover the heap\");\n\treturn 0;\n}\n");
	return true;
}
