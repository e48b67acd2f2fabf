/* conf_text.h - settings as text: words of key:value, out of a string or a file.
 *
 *   fit:best,split_min:64          separated by commas, blanks or ends of line
 *   reuse:footer   # and so on     '#' begins a comment, to the end of the line
 *
 * It runs inside malloc: open, read and close, and a buffer in the caller's struct.  Only a regular
 * file of at most CONF_FILE_MAX bytes is read, so that no program waits for a pipe, a terminal or a
 * device before its first object.
 */
#ifndef BASE_CONF_TEXT_H
#define BASE_CONF_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum {
	CONF_WORD = 512,         /* bytes of a word, its end included; what is longer is cut off */
	CONF_FILE_MAX = 64 << 10, /* bytes of a file */
	CONF_MISTAKES_MAX = 20,   /* mistakes reported from one file */
};

struct conf_text {
	const char *text; /* NULL: out of fd */
	int fd;
	size_t at, end; /* in the buffer */
	size_t lines;   /* that have ended */
	size_t taken;   /* bytes read from the file so far */
	int error;      /* 0, or the -errno at which reading ended */
	char buffer[1024];
};

struct conf_word {
	char key[CONF_WORD]; /* what stands before the first ':' */
	char *value;         /* the text after ':'; NULL: there is no ':' */
	size_t len, line;    /* letters of all of it, cut off or not; the first line is 1 */
};

void conf_text_begin(struct conf_text *t, const char *text);
/* 0 or -errno; -ENODEV: no regular file, -EFBIG: too large.  It never blocks. */
int conf_text_open(struct conf_text *t, const char *path);
/* Why a file could not be opened, or read to its end, in words: "no such file". */
const char *conf_text_reason(int error);
void conf_text_end(struct conf_text *t);

/* False: there is no more. */
bool conf_text_next(struct conf_text *t, struct conf_word *w);

#endif
