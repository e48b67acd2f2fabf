/* talk.c - lines on stderr: events, errors, and the command to run next. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "cli/lab.h"
#include "cli/plain.h"
#include "cli/progress.h"
#include "cli/screen.h"

/* bytes; what is longer is printed as it is cut off where there is no memory */
enum { LINE = 4096 };

static const char prefix[] = "dmm: ";

/* The words of the message in lines that fit the terminal.  Ends the line.  Changes text. */
static void put_lines(char *text, size_t used)
{
	const size_t width = screen_width(stderr);

	for (;;) {
		const size_t line = screen_line(text, width > used ? width - used : 1);
		char *next = text + line + strspn(text + line, " ");
		const bool more = *next != '\0';
		text[line] = '\0';
		plain_put(stderr, text);
		fputc('\n', stderr);
		if (!more)
			return;
		text = next;
		used = (size_t)fprintf(stderr, "  ");
	}
}

/* It must speak also when there is no memory.  A message is one line, but on a terminal it breaks
 * between words if `breaks`. */
static void put(const char *format, va_list args, bool breaks)
{
	char text[LINE], *longer = NULL;
	va_list again;

	va_copy(again, args);
	if (vsnprintf(text, sizeof text, format, args) >= LINE &&
	    vasprintf(&longer, format, again) < 0)
		longer = NULL;
	va_end(again);
	if (breaks && isatty(STDERR_FILENO)) {
		put_lines(longer != NULL ? longer : text, strlen(prefix));
	} else {
		plain_put(stderr, longer != NULL ? longer : text);
		if (breaks)
			fputc('\n', stderr);
	}
	free(longer);
}

static void say(const char *format, va_list args)
{
	progress_hide();
	fflush(stdout);
	fputs(prefix, stderr);
	put(format, args, true);
}

void lab_say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
}

void lab_die(int status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(format, args);
	va_end(args);
	exit(status);
}

void lab_unknown(const char *what, const char *word, const char *const *names)
{
	enum { LISTED = 24 };
	char list[400];
	size_t count = 0;

	while (names[count] != NULL)
		count++;

	const char *const nearest = nearest_name(word, names, count);
	if (nearest != NULL)
		lab_die(EXIT_USAGE, "unknown %s '%s'; did you mean '%s'?", what, word, nearest);
	if (count == 0 || count > LISTED)
		lab_die(EXIT_USAGE, "unknown %s '%s'", what, word);
	const int noun = (int)strcspn(what, " ");
	const int used = snprintf(list, sizeof list, "%s", names[0]);
	for (size_t i = 1, at = (size_t)used; i < count && at < sizeof list; i++)
		at += (size_t)snprintf(list + at, sizeof list - at, ", %s", names[i]);
	lab_die(EXIT_USAGE, "unknown %s '%s'; the %.*ss%s are %s", what, word, noun, what,
	    what + noun, list);
}

/* As a shell would need it: plain words stay plain. */
static void put_quoted(FILE *out, const char *word)
{
	static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                            "_-+=.,:/@%";

	if (word[0] != '\0' && word[strspn(word, usual)] == '\0') {
		fputs(word, out);
		return;
	}
	if (plain(word) != word) { /* the shell's own way to write such bytes */
		fputs("$'", out);
		for (const char *s = word; *s != '\0'; s++)
			fprintf(out, (unsigned char)(*s - ' ') < 95 && *s != '\'' && *s != '\\'
			    ? "%c" : "\\x%02x",
			    (unsigned char)*s);
		fputc('\'', out);
		return;
	}
	fputc('\'', out);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", out);
		else
			fputc(*word, out);
	}
	fputc('\'', out);
}

const char *lab_quoted(const char *word)
{
	static char *last[4];
	static size_t turn;
	char *text = NULL;
	size_t len;
	FILE *const out = open_memstream(&text, &len);

	if (out == NULL)
		return word;
	put_quoted(out, word);
	if (fclose(out) != 0)
		return word;
	turn = (turn + 1) % (sizeof last / sizeof *last);
	free(last[turn]);
	last[turn] = text;
	return text;
}

void lab_next(char *const *argv, const char *format, ...)
{
	va_list args;

	progress_hide();
	fflush(stdout);
	fputs("next: ", stderr);
	va_start(args, format);
	put(format, args, false);
	va_end(args);
	for (; argv != NULL && *argv != NULL; argv++) {
		fputc(' ', stderr);
		put_quoted(stderr, *argv);
	}
	fputc('\n', stderr);
}
