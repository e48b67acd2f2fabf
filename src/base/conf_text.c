/* conf_text.c - cutting a text into words, letter by letter. */
#include "base/conf_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void conf_text_begin(struct conf_text *t, const char *text)
{
	*t = (struct conf_text){.text = text, .fd = -1};
}

static int verdict(int refused, const struct stat *s)
{
	return refused                        ? -errno
	    : S_ISDIR(s->st_mode)             ? -EISDIR
	    : !S_ISREG(s->st_mode)            ? -ENODEV
	    : s->st_size > CONF_FILE_MAX      ? -EFBIG
	                                      : 0;
}

/* The file is checked before it is opened, since opening a device may have effects, and again
 * afterwards, since the file may have been replaced in between. */
int conf_text_open(struct conf_text *t, const char *path)
{
	const int saved = errno;
	struct stat s;

	*t = (struct conf_text){.fd = -1};
	int error = verdict(stat(path, &s), &s);
	if (error == 0) {
		t->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		error = verdict(t->fd < 0 || fstat(t->fd, &s), &s);
	}
	if (error != 0)
		conf_text_end(t);
	errno = saved;
	return error;
}

const char *conf_text_reason(int error)
{
	return error == -ENOENT  ? "no such file"
	    : error == -EACCES   ? "not readable"
	    : error == -EISDIR   ? "a directory"
	    : error == -ENODEV   ? "no regular file"
	    : error == -EFBIG    ? "larger than 64 KiB"
	                         : "cannot be read";
}

void conf_text_end(struct conf_text *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static int letter(struct conf_text *t)
{
	if (t->text != NULL)
		return *t->text != '\0' ? (unsigned char)*t->text++ : -1;
	if (t->at == t->end) {
		const int saved = errno;
		ssize_t got;
		while ((got = read(t->fd, t->buffer, sizeof t->buffer)) < 0 && errno == EINTR)
			;
		if (got < 0)
			t->error = -errno;
		errno = saved;
		if (got > 0 && (t->taken += (size_t)got) > CONF_FILE_MAX)
			t->error = -EFBIG; /* it has grown, or its size was a lie */
		if (got <= 0 || t->error != 0)
			return -1;
		t->at = 0;
		t->end = (size_t)got;
	}
	return (unsigned char)t->buffer[t->at++];
}

static bool separates(int c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\0';
}

/* The first letter of the next word, past separators and comments; -1: there is none. */
static int first_letter(struct conf_text *t)
{
	bool comment = false;
	int c;

	while ((c = letter(t)) >= 0) {
		if (c == '\n') {
			t->lines++;
			comment = false;
		} else if (c == '#') {
			comment = true;
		} else if (!comment && !separates(c)) {
			return c;
		}
	}
	return -1;
}

bool conf_text_next(struct conf_text *t, struct conf_word *w)
{
	int c = first_letter(t);

	w->len = 0;
	w->line = t->lines + 1;
	if (c < 0)
		return false;
	for (; c >= 0 && !separates(c); c = letter(t))
		if (w->len++ < sizeof w->key - 1)
			w->key[w->len - 1] = (char)c;
	if (c == '\n')
		t->lines++;
	w->key[w->len < sizeof w->key ? w->len : sizeof w->key - 1] = '\0';
	w->value = strchr(w->key, ':');
	if (w->value != NULL)
		*w->value++ = '\0';
	return true;
}
