/* talk.c - lines on stderr: events, errors, and the command to run next. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/lab.h"
#include "cli/plain.h"
#include "cli/progress.h"

/* bytes; what is longer is printed as it is cut off where there is no memory */
enum { LINE = 4096 };

/* It must speak also when there is no memory. */
static void put(const char *format, va_list args)
{
	char text[LINE], *longer = NULL;
	va_list again;

	va_copy(again, args);
	if (vsnprintf(text, sizeof text, format, args) >= LINE &&
	    vasprintf(&longer, format, again) < 0)
		longer = NULL;
	va_end(again);
	plain_put(stderr, longer != NULL ? longer : text);
	free(longer);
}

static void say(const char *format, va_list args)
{
	progress_hide();
	fflush(stdout);
	fputs("dmm: ", stderr);
	put(format, args);
	fputc('\n', stderr);
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
	size_t count = 0;
	while (names[count] != NULL)
		count++;

	const char *const nearest = nearest_name(word, names, count);
	if (nearest != NULL)
		lab_die(EXIT_USAGE, "unknown %s '%s'; did you mean '%s'?", what, word, nearest);
	lab_die(EXIT_USAGE, "unknown %s '%s'", what, word);
}

/* As a shell would need it: plain words stay plain. */
static void put_quoted(const char *word)
{
	static const char usual[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                            "_-+=.,:/@%";

	if (word[0] != '\0' && word[strspn(word, usual)] == '\0') {
		fputs(word, stderr);
		return;
	}
	if (plain(word) != word) { /* the shell's own way to write such bytes */
		fputs("$'", stderr);
		for (const char *s = word; *s != '\0'; s++)
			fprintf(stderr, (unsigned char)(*s - ' ') < 95 && *s != '\'' && *s != '\\'
			    ? "%c" : "\\x%02x",
			    (unsigned char)*s);
		fputc('\'', stderr);
		return;
	}
	fputc('\'', stderr);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", stderr);
		else
			fputc(*word, stderr);
	}
	fputc('\'', stderr);
}

void lab_next(char *const *argv, const char *format, ...)
{
	va_list args;

	progress_hide();
	fflush(stdout);
	fputs("next: ", stderr);
	va_start(args, format);
	put(format, args);
	va_end(args);
	for (; argv != NULL && *argv != NULL; argv++) {
		fputc(' ', stderr);
		put_quoted(*argv);
	}
	fputc('\n', stderr);
}
