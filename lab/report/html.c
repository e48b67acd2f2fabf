/* html.c - what all parts of the page use: escaped text, numbers, the names of call sites. */
#include <inttypes.h>
#include <string.h>

#include "cli/markup.h"
#include "report/page.h"
#include "cli/plain.h"

void page_text(FILE *out, const char *text)
{
	markup_put(out, plain_lines(text));
}

char *page_count(char buf[32], uint64_t n)
{
	char digits[24];
	const int len = snprintf(digits, sizeof digits, "%" PRIu64, n);
	char *to = buf;

	for (int i = 0; i < len; i++) {
		if (i != 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return buf;
}

bool page_has_picture(const struct report_design *d)
{
	return d->samples != 0 && d->rows != 0;
}

const struct report_design *page_first(const struct report *r)
{
	for (size_t i = 0; i < r->design_count; i++)
		if (page_has_picture(&r->designs[i]))
			return &r->designs[i];
	return NULL;
}

const struct report_design *page_leanest(const struct report *r)
{
	const struct report_design *best = NULL;

	for (size_t i = 0; i < r->design_count; i++) {
		const struct report_design *const d = &r->designs[i];
		if (page_has_picture(d) && d->problem[0] == '\0' &&
		    (best == NULL || d->mean < best->mean))
			best = d;
	}
	return best;
}

/* ---- call sites ------------------------------------------------------------------------------ */

/* Frames that only pass a request on: the site is who called them. */
static bool is_wrapper(const char *name)
{
	static const char *const starts[] = {"xmalloc", "xcalloc", "xrealloc", "xstrdup",
	    "xstrndup", "malloc", "calloc", "realloc", "reallocarray", "operator new", "_Znwm",
	    "_Znam", "strdup", "strndup", "g_malloc", "g_realloc", "g_slice",
	    "__gnu_cxx::", "std::", "PyMem_", "PyObject_Malloc", "_PyMem_", "_PyObject_", "zmalloc",
	    "zrealloc", "zcalloc", "sqlite3Malloc", "sqlite3DbMalloc", "sqlite3_malloc",
	    "safe_malloc", "alloc::", "__rust_alloc", "__rg_"};

	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

struct named_site page_site(const struct report *r, uint32_t stack)
{
	const struct trace_reader *const reader = r->survey->stream.reader;
	struct named_site s = {.stack = stack};
	const char *names[SYMBOLS_DEPTH];
	const size_t count = symbols_path(r->symbols, reader, stack, names, NULL);

	for (size_t i = 0; i < count && s.frames < REPORT_FRAMES; i++) {
		s.frame[s.frames] = names[i];
		if (s.who == NULL && !is_wrapper(names[i]))
			s.who = names[i];
		s.frames++;
	}
	if (s.who == NULL)
		s.who = s.frames != 0 ? s.frame[0] : "an unknown call site";
	return s;
}
