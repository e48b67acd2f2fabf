/* options.c - argument parsing that every subcommand shares, over argp. */
#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/nearest.h"
#include "cli/lab.h"

enum { NAMES = 64 };

/* argp adds these to every command. */
static const char *const everywhere[] = {"help", "usage", "version"};

static size_t option_names(const struct argp *argp, const char *names[NAMES])
{
	size_t count = 0;

	for (size_t i = 0; i < sizeof everywhere / sizeof everywhere[0]; i++)
		names[count++] = everywhere[i];
	for (const struct argp_option *o = argp->options; o != NULL && (o->name || o->doc); o++)
		if (o->name != NULL && count < NAMES - 1)
			names[count++] = o->name;
	names[count] = NULL;
	return count;
}

static const struct argp_option *option_of_key(const struct argp *argp, int key)
{
	for (const struct argp_option *o = argp->options; o != NULL && (o->name || o->doc); o++)
		if (o->key == key)
			return o;
	return NULL;
}

static const struct argp_option *option_of_name(const struct argp *argp, const char *word, size_t n)
{
	for (const struct argp_option *o = argp->options; o != NULL && (o->name || o->doc); o++)
		if (o->name != NULL && strncmp(o->name, word, n) == 0)
			return o;
	return NULL;
}

/* getopt knows unknown options but not what was meant: look before it does.  Abbreviations are its
 * business.  Returns whether the next word is this option's argument. */
static bool look_at_long(const struct argp *argp, const char *word)
{
	const size_t n = strcspn(word, "=");
	const char *names[NAMES];
	const size_t count = option_names(argp, names);

	for (size_t i = 0; i < count; i++) {
		if (strncmp(names[i], word, n) != 0)
			continue;
		const struct argp_option *const o = option_of_name(argp, word, n);
		return o != NULL && o->arg != NULL && !(o->flags & OPTION_ARG_OPTIONAL) &&
		    word[n] == '\0';
	}
	char bare[64];
	snprintf(bare, sizeof bare, "%.*s", (int)n, word);
	const char *const nearest = nearest_name(bare, names, count);
	if (nearest != NULL)
		lab_die(EXIT_USAGE, "unknown option '--%s'; did you mean '--%s'?", bare, nearest);
	lab_die(EXIT_USAGE, "unknown option '--%s'", bare);
}

static bool look_at_short(const struct argp *argp, const char *letters)
{
	const struct argp_option *const o = option_of_key(argp, letters[0]);
	return o != NULL && o->arg != NULL && letters[1] == '\0';
}

static void look_for_misspelt(const struct argp *argp, int argc, char **argv)
{
	for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
		const bool takes_next = argv[i][1] == '-' ? look_at_long(argp, argv[i] + 2)
		                                          : look_at_short(argp, argv[i] + 1);
		i += takes_next;
	}
}

/* Set while a command is asked for its table. */
static struct {
	const struct command *command;
	options_reader *read;
	void *arg;
	jmp_buf back;
} reading;

void options_read(const struct command *command, options_reader *read, void *arg)
{
	char name[] = "dmm";
	char *argv[] = {name, NULL};

	reading.command = command;
	reading.read = read;
	reading.arg = arg;
	if (setjmp(reading.back) == 0)
		command->run(1, argv);
	reading.read = NULL;
}

static bool parsing;

/* argp ends the process itself, with 0, when it has printed a help text or the version. */
static void at_exit(void)
{
	if (parsing && lab_finish(EXIT_FINE) != EXIT_FINE)
		_exit(EXIT_OURS);
}

void options_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	if (reading.read != NULL) {
		reading.read(reading.arg, reading.command, argp);
		longjmp(reading.back, 1);
	}
	look_for_misspelt(argp, argc, argv);
	if (atexit(at_exit) != 0)
		lab_die(EXIT_OURS, "no memory");
	parsing = true;
	const error_t e = argp_parse(argp, argc, argv, ARGP_IN_ORDER, NULL, input);
	parsing = false;
	if (e != 0)
		lab_die(EXIT_OURS, "cannot parse the options: %s", strerror(e));
}

int option_choice(const char *name, const char *arg, const char *const *names)
{
	char what[64];

	for (int i = 0; names[i] != NULL; i++)
		if (strcmp(arg, names[i]) == 0)
			return i;
	snprintf(what, sizeof what, "value of --%s", name);
	lab_unknown(what, arg, names);
}

void option_operand(const char **operand, const char *arg, const char *kind)
{
	if (*operand != NULL)
		lab_die(EXIT_USAGE, "one %s at a time: '%s' is the second", kind, arg);
	*operand = arg;
}

enum format option_format(const char *arg)
{
	static const char *const names[] = {"text", "json", "csv", NULL};
	return (enum format)option_choice("format", arg, names);
}

size_t option_count(const char *name, const char *arg, size_t least)
{
	char *end;

	errno = 0;
	const unsigned long long value = strtoull(arg, &end, 10);
	if (!isdigit((unsigned char)arg[0]) || *end != '\0' || errno != 0 || value < least)
		lab_die(EXIT_USAGE, "--%s=%s: expected a number of at least %zu", name, arg,
		    least);
	return value;
}

double option_seconds(const char *name, const char *arg)
{
	char *end;
	const double value = strtod(arg, &end);

	if (end != arg && *end == 's')
		end++;
	if (end == arg || *end != '\0' || !(value > 0 && value < 1e6))
		lab_die(EXIT_USAGE, "--%s=%s: expected seconds, e.g. 2.5", name, arg);
	return value;
}

size_t option_bytes(const char *name, const char *arg)
{
	static const char units[] = "KMGT";
	char *end;

	errno = 0;
	unsigned long long value = strtoull(arg, &end, 10);
	const char *const unit = *end != '\0' ? strchr(units, toupper((unsigned char)*end)) : NULL;
	const int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;
	if (unit != NULL)
		end++;
	if (!isdigit((unsigned char)arg[0]) || *end != '\0' || errno != 0 ||
	    value >> (63 - shift) != 0)
		lab_die(EXIT_USAGE, "--%s=%s: expected bytes, e.g. 512M or 1G", name, arg);
	return value << shift;
}
