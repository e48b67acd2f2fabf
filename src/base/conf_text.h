/* conf_text.h - settings as text: words of key:value, out of a string or a file.
 *
 *   fit:best,split_min:64          separated by commas, blanks or ends of line
 *   reuse:footer   # and so on     '#' begins a comment, to the end of the line
 *
 * It runs inside malloc: open, read and close, and a buffer in the caller's struct.
 */
#ifndef BASE_CONF_TEXT_H
#define BASE_CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { CONF_WORD = 512 }; /* bytes of a word, its end included; what is longer is cut off */

struct conf_text {
	const char *text; /* NULL: out of fd */
	int fd;
	size_t at, end; /* in the buffer */
	size_t lines;   /* that have ended */
	int error;      /* 0, or the -errno at which reading ended */
	char buffer[1024];
};

struct conf_word {
	char key[CONF_WORD]; /* what stands before the first ':' */
	char *value;         /* what stands behind it; NULL: there is no ':' */
	size_t len, line;    /* letters of all of it, cut off or not; the first line is 1 */
};

void conf_text_begin(struct conf_text *t, const char *text);
int conf_text_open(struct conf_text *t, const char *path); /* 0 or -errno */
void conf_text_end(struct conf_text *t);

/* False: there is no more. */
bool conf_text_next(struct conf_text *t, struct conf_word *w);

#endif
