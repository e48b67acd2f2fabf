/* page.c - the page put together: template, body, data, within its bound; then onto the disk. */
#include "report/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

extern const char report_template[], report_template_end[]; /* template.S */

/* ---- the whole ------------------------------------------------------------------------------- */

/* The template up to a mark, which is skipped. */
static const char *put_until(FILE *out, const char *from, const char *mark)
{
	const char *const at = memmem(from, (size_t)(report_template_end - from), mark,
	    strlen(mark));

	CHECK(at != NULL);
	fwrite(from, 1, (size_t)(at - from), out);
	return at + strlen(mark);
}

static void put_body(const struct report *r, FILE *out)
{
	svg_patterns(out);
	page_head(r, out);
	page_sections(r, out);
	page_program(r, out);
}

static char *make_page(const struct report *r, unsigned reduction, size_t *len)
{
	char *text = NULL;
	FILE *const out = open_memstream(&text, len);
	const char *at = report_template;

	CHECK(out != NULL);
	at = put_until(out, at, "<!--dmm:title-->");
	page_text(out, r->title);
	at = put_until(out, at, "<!--dmm:body-->");
	put_body(r, out);
	at = put_until(out, at, "<!--dmm:data-->");
	page_data(r, out, reduction);
	fwrite(at, 1, (size_t)(report_template_end - at), out);
	fclose(out);
	return text;
}

bool page_store(const char *path, const char *text, size_t len, char *why, size_t cap)
{
	char temporary[4096];

	if (snprintf(temporary, sizeof temporary, "%s.%d", path,
	    (int)getpid()) >= (int)sizeof temporary) {
		snprintf(why, cap, "the name is too long");
		return false;
	}
	FILE *const f = fopen(temporary, "wbxe");
	if (f == NULL) {
		snprintf(why, cap, "%s", strerror(errno));
		return false;
	}
	const bool written = fwrite(text, 1, len, f) == len;
	const bool sound = fclose(f) == 0 && written && rename(temporary, path) == 0;
	if (!sound) {
		snprintf(why, cap, "%s", strerror(errno));
		unlink(temporary);
	}
	return sound;
}

bool report_write(struct report *r, const char *path, char *why, size_t cap)
{
	size_t len = 0;
	char *text = NULL;

	for (unsigned reduction = 0; reduction < 8; reduction++) {
		free(text);
		text = make_page(r, reduction, &len);
		if (len <= REPORT_PAGE_MAX)
			break;
	}
	const bool sound = page_store(path, text, len, why, cap);
	free(text);
	return sound;
}
