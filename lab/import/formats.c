/* formats.c - every format that can be imported, and which of them a file has. */
#include <stdio.h>
#include <string.h>

#include "import/import.h"

enum { SHOWN = 40 }; /* bytes of a line in a message */

const struct import_format *const import_formats[] = {&import_rep, &import_android, &import_mtrace,
    &import_heaptrack, &import_proto, NULL};

static bool cannot_begin(struct import *im)
{
	if (im->error[0] == '\0')
		return import_fail(im, "there is nothing in it");
	if (im->line != NULL && strncmp(im->line, "dmmtrace", 8) == 0)
		snprintf(im->error, sizeof im->error, "it is a recording of dmm already");
	return false;
}

/* Look at the first bytes before they are cut into lines. */
static bool is_proto(struct import *im)
{
	if (im->piece_len == 0) {
		const ssize_t n = im->source.read(im->source.arg, &im->piece, im->error);
		im->piece_len = n > 0 ? (size_t)n : 0;
	}
	return im->format != NULL ? im->format == &import_proto
	                          : import_begins_like_proto(im->piece, im->piece_len);
}

bool import_choose(struct import *im)
{
	if (is_proto(im)) {
		im->format = &import_proto;
		return im->error[0] == '\0';
	}
	do
		if (!import_line(im))
			return cannot_begin(im);
	while (im->line[strspn(im->line, " \t")] == '\0');
	im->again = true;
	if (im->format != NULL)
		return true;
	for (const struct import_format *const *f = import_formats; *f != NULL; f++)
		if ((*f)->is(im->line)) {
			im->format = *f;
			return true;
		}
	return import_fail(im, "no format begins like '%.*s'; --from=F says which it is", SHOWN,
	    im->line);
}
