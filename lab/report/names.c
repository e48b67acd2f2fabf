/* names.c - what the names of the designs mean, for a reader who knows neither dmm nor its
 * lecture. */
#include <string.h>

#include "allocators/registry.h"
#include "report/page.h"

enum { NAMES_MOST = REPORT_DESIGNS + ROWS_MAX };

struct names {
	FILE *out;
	const struct dmm_system *told[NAMES_MOST];
	size_t count;
	bool lecture; /* the page has said which lecture */
};

static void put_kind(struct names *n, const char *name)
{
	static const char *const lecture[] = {
	    "the lecture on memory managers whose designs are part of dmm", "the lecture"};

	if (strcmp(name, "slab") == 0) {
		fputs("dmm&#8217;s own allocator", n->out);
		return;
	}
	fprintf(n->out, "%s %s",
	    strcmp(name, "gnu") == 0 ? "the model of glibc&#8217;s malloc in" : "a design of",
	    lecture[n->lecture]);
	n->lecture = true;
}

/* `name` may have settings: gnu?reuse:links. */
static void put_design(struct names *n, const char *name)
{
	char word[64];

	snprintf(word, sizeof word, "%.*s", (int)strcspn(name, "?"), name);
	const struct dmm_system *const sys = registry_find(word);
	for (size_t i = 0; i < n->count; i++)
		if (n->told[i] == sys)
			return;
	if (sys == NULL || n->count == NAMES_MOST)
		return;
	fputs(n->count == 0 ? "<p class=\"note\" id=\"designs\">" : " ", n->out);
	n->told[n->count++] = sys;
	fprintf(n->out, "<b>%s</b> is ", sys->name);
	put_kind(n, sys->name);
	fputs(": ", n->out);
	page_text(n->out, sys->doc);
	fputc('.', n->out);
}

void page_names(const struct report *r, FILE *out)
{
	struct names n = {.out = out};

	for (size_t i = 0; i < r->design_count; i++)
		put_design(&n, r->designs[i].name);
	for (size_t i = 0; r->scores != NULL && i < r->scores->count; i++)
		put_design(&n, r->scores->score[i].name);
	if (n.count != 0)
		fputs("</p>\n", out);
}
