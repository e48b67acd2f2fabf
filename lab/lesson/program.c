/* program.c - C source for the steps of a script, with the test that shows what is wrong. */
#include "lesson/program.h"

#include <inttypes.h>
#include <string.h>

/* A letter for each object, in the order in which they appear. */
const char *program_name(char buf[PROGRAM_NAME], const struct script_step *step, size_t count,
    uint32_t name)
{
	size_t number = 0;

	for (size_t k = 0; k < count && step[k].name != name; k++) {
		bool first = step[k].name != 0;
		for (size_t i = 0; i < k && first; i++)
			first = step[i].name != step[k].name;
		number += first;
	}
	if (number < 26)
		snprintf(buf, PROGRAM_NAME, "%c", (char)('a' + number));
	else
		snprintf(buf, PROGRAM_NAME, "%c%u", (char)('a' + number % 26),
		    (unsigned)(number / 26));
	return buf;
}

const char *program_call(char buf[PROGRAM_CALL], const struct script_step *step, size_t count,
    size_t k)
{
	char name[PROGRAM_NAME];
	const uint64_t n = step[k].n;
	const char *const a = program_name(name, step, count, step[k].name);

	switch (step[k].op) {
	case SCRIPT_MALLOC:
		snprintf(buf, PROGRAM_CALL, "%s = malloc(%" PRIu64 ")", a, n);
		break;
	case SCRIPT_CALLOC:
		snprintf(buf, PROGRAM_CALL, "%s = calloc(%u, %" PRIu64 ")", a, step[k].extra, n);
		break;
	case SCRIPT_ALIGNED:
		snprintf(buf, PROGRAM_CALL, "%s = memalign(%" PRIu64 ", %" PRIu64 ")", a,
		    (uint64_t)1 << step[k].extra, n);
		break;
	case SCRIPT_REALLOC:
		snprintf(buf, PROGRAM_CALL, "%s = realloc(%s, %" PRIu64 ")", a, a, n);
		break;
	case SCRIPT_FREE:
		snprintf(buf, PROGRAM_CALL, "free(%s)", a);
		break;
	case SCRIPT_STRANGER:
		snprintf(buf, PROGRAM_CALL, "sbrk(%" PRIu64 ")", n);
		break;
	default:
		snprintf(buf, PROGRAM_CALL, "malloc_trim(0)");
	}
	return buf;
}

/* ---- the parts ------------------------------------------------------------------------------- */

static bool rule_is(const struct program *p, const char *id)
{
	return strcmp(p->rule->id, id) == 0;
}

static const char *name_of(const struct program *p, char buf[PROGRAM_NAME], uint32_t name)
{
	return program_name(buf, p->step, p->count, name);
}

static bool uses(const struct program *p, enum script_op op)
{
	for (size_t k = 0; k < p->count; k++)
		if (p->step[k].op == op)
			return true;
	return false;
}

static void put_head(FILE *out, const struct program *p)
{
	char link[RULE_LINK];

	fprintf(out, "/* %s: %s (%s).\n * %s\n *\n", p->word, p->rule->title, p->rule->id,
	    rule_link(link, p->rule));
	fprintf(out, " *   cc -g %s -o broken\n *   %s%s%sLD_PRELOAD=%s ./broken; echo $?\n *\n",
	    p->file,
	    p->conf[0] != '\0' ? "DMM_CONF=" : "", p->conf, p->conf[0] != '\0' ? " " : "",
	    p->library);
	fprintf(out, " * Status 1, or a signal: it is still so.  Status 0: it is mended.\n */\n");
	fprintf(out, "#define _GNU_SOURCE\n#include <errno.h>\n#include <malloc.h>\n#include "
	    "<signal.h>\n"
	    "#include <stdint.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
	    "%s#include <unistd.h>\n\n", rule_is(p, "S11 reuse") ? "#include <sys/resource.h>\n" :
	    "");
	if (p->result->end != TORTURE_DIED)
		fprintf(out, "static int wrong(const char *what)\n{\n\tfprintf(stderr, "
		    "\"%%s\\n\", what);\n"
		    "\treturn 1;\n}\n\n");
	fprintf(out, "/* Write into all bytes that may be used of p: c, c + 1, c + 2 ... */\n"
	    "static void fill(char *p, char c)\n{\n"
	    "\tfor (size_t i = 0; p != NULL && i < malloc_usable_size(p); i++)\n"
	    "\t\tp[i] = (char)(c + i);\n}\n\n");
	if (rule_is(p, "S3 contents"))
		fprintf(out, "/* Are the first n bytes of p as fill() wrote them? */\n"
		    "static int holds(const char *p, size_t n, char c)\n{\n"
		    "\tfor (size_t i = 0; i < n; i++)\n\t\tif (p[i] != (char)(c + i))\n"
		    "\t\t\treturn 0;\n\treturn 1;\n}\n\n");
	if (rule_is(p, "S2 disjoint"))
		fprintf(out, "static int overlap(const char *p, const char *q)\n{\n"
		    "\treturn p < q + malloc_usable_size((void *)q) && q < p + "
		    "malloc_usable_size((void *)p);\n"
		    "}\n\n");
	if (rule_is(p, "hang"))
		fprintf(out, "static void late(int signal)\n{\n\t(void)signal;\n"
		    "\t_exit(wrong(\"a call does not return\"));\n}\n\n");
}

/* The code after a call that is to blame. */
static void put_test(FILE *out, const struct program *p, const char *in, size_t k)
{
	const struct script_step *const step = &p->step[k];
	char buf[PROGRAM_NAME], other[PROGRAM_NAME];
	const char *const a = name_of(p, buf, step->name);
	const uint64_t n = step->op == SCRIPT_CALLOC ? step->n * step->extra : step->n;

	if (rule_is(p, "S1 aligned"))
		fprintf(out, "%sif ((uintptr_t)%s %% %" PRIu64
		    " != 0)\n%s\treturn wrong(\"%s is not aligned\");\n",
		    in, a, step->op == SCRIPT_ALIGNED &&
		    step->extra > 4 ? (uint64_t)1 << step->extra
		    : 16, in, a);
	else if (rule_is(p, "S2 disjoint"))
		fprintf(out, "%sif (overlap(%s, %s))\n%s\treturn wrong(\"%s and %s share "
		    "bytes\");\n", in,
		    a, name_of(p, other, p->result->victim), in, a, other);
	else if (rule_is(p, "S4 zeroed"))
		fprintf(out, "%sfor (size_t i = 0; i < %" PRIu64 "; i++)\n%s\tif (%s[i] != 0)\n"
		    "%s\t\treturn wrong(\"calloc gave a byte that is not 0\");\n", in, n, in, a,
		    in);
	else if (rule_is(p, "S5 errno"))
		fprintf(out, "%sif (%s == NULL && errno != ENOMEM)\n%s\treturn wrong(\"NULL, but "
		    "errno is "
		    "not ENOMEM\");\n", in, a, in);
	else if (rule_is(p, "S6 usable") && p->result->culprit == step->name)
		fprintf(out, "%sif (malloc_usable_size(%s) < %" PRIu64
		    ")\n%s\treturn wrong(\"less of %s is "
		    "usable than was asked\");\n", in, a, n, in, a);
	else if (rule_is(p, "S10 memory"))
		fprintf(out, "%sif (%s == NULL)\n%s\treturn wrong(\"NULL, though there is "
		    "memory\");\n", in,
		    a, in);
}

/* Does the object that is to blame still have what it had? */
static void put_test_of_victim(FILE *out, const struct program *p, const char *in)
{
	char buf[PROGRAM_NAME];
	const char *const v = name_of(p, buf, p->result->victim);

	if (rule_is(p, "S3 contents") && p->result->victim != 0)
		fprintf(out, "%sif (!holds(%s, malloc_usable_size(%s), '%c'))\n%s\treturn "
		    "wrong(\"%s lost what "
		    "was written into it\");\n", in, v, v, v[0], in, v);
	if (rule_is(p, "S6 usable") && p->result->victim != 0 && p->result->culprit == 0)
		fprintf(out, "%sif (malloc_usable_size(%s) != usable)\n%s\treturn wrong(\"the "
		    "usable size of "
		    "%s changed\");\n", in, v, in, v);
	if (rule_is(p, "S9 strangers"))
		fprintf(out, "%sfor (size_t i = 0; i < size; i++)\n%s\tif (stranger[i] != "
		    "0x57)\n%s\t\treturn "
		    "wrong(\"bytes of somebody else were changed\");\n", in, in, in);
}

/* The contents that realloc must keep, if realloc lost them. */
static void put_kept(FILE *out, const struct program *p, const char *in, size_t k)
{
	char buf[PROGRAM_NAME];
	uint64_t before = 0;
	const char *const a = name_of(p, buf, p->step[k].name);

	for (size_t i = 0; i < k; i++)
		if (p->step[i].name == p->step[k].name)
			before = p->step[i].op == SCRIPT_CALLOC ? p->step[i].n * p->step[i].extra
			    : p->step[i].n;
	fprintf(out, "%sif (!holds(%s, %" PRIu64 ", '%c'))\n%s\treturn wrong(\"realloc lost what "
	    "was in "
	    "%s\");\n", in, a, before < p->step[k].n ? before : p->step[k].n, a[0], in, a);
}

static void put_stranger(FILE *out, const char *in, uint64_t n)
{
	fprintf(out, "%sstranger = sbrk(%" PRIu64 "), size = %" PRIu64 "; /* somebody else */\n"
	    "%smemset(stranger, 0x57, size);\n", in, n, n, in);
}

static void put_step(FILE *out, const struct program *p, const char *in, size_t k)
{
	const struct script_step *const step = &p->step[k];
	char call[PROGRAM_CALL], buf[PROGRAM_NAME];
	const bool last = k + 1 == p->count, gives = step->op <= SCRIPT_REALLOC;
	const bool ends = p->result->end != TORTURE_BROKE && last;

	if (step->op == SCRIPT_STRANGER) {
		put_stranger(out, in, step->n);
		return;
	}
	if (last && rule_is(p, "S5 errno"))
		fprintf(out, "%serrno = 0;\n", in);
	fprintf(out, "%s%s%s;%s\n", in, gives && step->op != SCRIPT_REALLOC ? "char *" : "",
	    program_call(call, p->step, p->count, k), !ends ? ""
	    : p->result->end == TORTURE_HANGS ? " /* it does not return */" : " /* it crashes */");
	if (last && p->result->end == TORTURE_BROKE)
		put_test(out, p, in, k);
	if (last && rule_is(p, "S3 contents") && step->op == SCRIPT_REALLOC &&
	    p->result->victim == step->name) {
		put_kept(out, p, in, k);
		return;
	}
	const char *const a = name_of(p, buf, step->name);
	if (gives)
		fprintf(out, "%sfill(%s, '%c');\n", in, a, a[0]);
	if (gives && rule_is(p, "S6 usable") && p->result->culprit == 0 &&
	    p->result->victim == step->name)
		fprintf(out, "%susable = malloc_usable_size(%s);\n", in, a);
}

static void put_loop(FILE *out, const struct program *p)
{
	fprintf(out, "\tfor (long i = 0; i < %" PRIu64 "; i++) {\n", p->repeat + p->repeat / 4);
	for (size_t k = 0; k < p->count; k++)
		put_step(out, p, "\t\t", k);
	fprintf(out, "\t}\n\tstruct rusage usage;\n\tgetrusage(RUSAGE_SELF, &usage);\n"
	    "\tif (usage.ru_maxrss > 64 * 1024)\n"
	    "\t\treturn wrong(\"more than 64 MiB for one object at a time\");\n");
}

bool program_print(FILE *out, const struct program *p)
{
	for (size_t k = 0; k < p->count; k++)
		if (p->step[k].refuse)
			return false;
	if (!play_is_seen(p->result) || p->result->end == TORTURE_EXITED)
		return false;
	put_head(out, p);
	fprintf(out, "int main(void)\n{\n");
	if (rule_is(p, "hang"))
		fprintf(out, "\tsignal(SIGALRM, late);\n\talarm(5);\n");
	if (rule_is(p, "S6 usable") && p->result->culprit == 0)
		fprintf(out, "\tsize_t usable = 0;\n");
	if (uses(p, SCRIPT_STRANGER))
		fprintf(out, "\tchar *stranger;\n\tsize_t size;\n");
	if (p->repeat > 1)
		put_loop(out, p);
	for (size_t k = 0; k < p->count && p->repeat <= 1; k++)
		put_step(out, p, "\t", k);
	const bool in_realloc = p->count != 0 && p->step[p->count - 1].op == SCRIPT_REALLOC &&
	    p->step[p->count - 1].name == p->result->victim;
	if (!in_realloc)
		put_test_of_victim(out, p, "\t");
	fprintf(out, "\treturn 0;\n}\n");
	return true;
}
