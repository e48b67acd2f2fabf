/* proc_maps.c - see proc_maps.h. */
#include "base/proc_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crash.h"

int proc_maps_open(struct proc_maps *m, pid_t pid, char *buf, size_t cap)
{
	char path[32] = "/proc/self/maps";

	CHECK(cap >= PROC_MAPS_LEAST);
	if (pid != 0)
		crash_format(path, sizeof path, "/proc/%u/maps", (size_t)pid);
	*m = (struct proc_maps){.fd = open(path, O_RDONLY | O_CLOEXEC), .buf = buf, .cap = cap};
	return m->fd < 0 ? errno : 0;
}

void proc_maps_close(struct proc_maps *m)
{
	close(m->fd);
}

/* Read more bytes to the end of the buffer, which has room. False: the file is at its end. */
static bool read_more(struct proc_maps *m)
{
	ssize_t got;

	do
		got = read(m->fd, m->buf + m->end, m->cap - 1 - m->end);
	while (got < 0 && errno == EINTR);
	m->error = got < 0 ? errno : 0;
	m->end += got > 0 ? (size_t)got : 0;
	return got > 0;
}

/* The next line without its newline; NULL: none.  Of a line that does not fit, its beginning. */
static const char *next_text(struct proc_maps *m)
{
	for (;;) {
		char *const text = m->buf + m->at;
		char *const newline = memchr(text, '\n', m->end - m->at);
		const bool tail = m->cut;
		if (newline != NULL) {
			*newline = '\0';
			m->at = (size_t)(newline + 1 - m->buf);
			m->cut = false;
			if (tail)
				continue;
			return text;
		}
		m->end -= m->at;
		memmove(m->buf, text, m->end);
		m->at = 0;
		if (m->end == m->cap - 1) {
			m->buf[m->end] = '\0';
			m->at = m->end;
			m->cut = true;
			if (tail)
				continue;
			return m->buf;
		}
		if (!read_more(m))
			return NULL;
	}
}

/* The number at *text, in base 10 or 16; *text moves past it. */
static uint64_t number(const char **text, unsigned base)
{
	uint64_t x = 0;

	for (;; ++*text) {
		const char c = **text;
		const unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0')
		    : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10) : 16;
		if (digit >= base)
			return x;
		x = x * base + digit;
	}
}

/* Moves *text past the letter if the letter stands there. */
static bool skip(const char **text, char letter)
{
	const bool is = **text == letter;

	*text += is;
	return is;
}

/* False: this is no line of maps, or it was cut before the inode. */
static bool parse(const char *text, struct map_line *line)
{
	*line = (struct map_line){.start = number(&text, 16)};
	if (!skip(&text, '-'))
		return false;
	line->end = number(&text, 16);
	if (!skip(&text, ' ') || strnlen(text, 5) < 5 || text[4] != ' ')
		return false;
	line->readable = text[0] == 'r';
	line->writable = text[1] == 'w';
	line->executable = text[2] == 'x';
	text += 5;
	line->offset = number(&text, 16);
	if (!skip(&text, ' ') || (text = strchr(text, ' ')) == NULL) /* the device */
		return false;
	text++;
	line->inode = number(&text, 10);
	while (skip(&text, ' '))
		;
	line->path = text;
	return true;
}

bool proc_maps_next(struct proc_maps *m, struct map_line *line)
{
	const char *text;

	while ((text = next_text(m)) != NULL)
		if (parse(text, line))
			return true;
	return false;
}
