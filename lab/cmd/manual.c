/* manual.c - dmm manual: fills a manual page from the tables of commands, options and settings.
 * For those who build dmm; the pages themselves are written in docs/manual/man.
 *
 *   dmm manual NAME PAGE.in PAGE      NAME is the command that the page is about, if any
 *
 *   @COMMANDS@, @SETTINGS@               lines that become the list of commands, of settings
 *   @SYNOPSIS@, @ABOUT@, @OPTIONS@       of the command: forms of usage, what it does, its options
 *   @DOC@, @VERSION@ within a line       the command in one line; this version
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/config_keys.h"
#include "allocators/registry.h"
#include "cli/lab.h"
#include "cmd/commands.h"

/* Text as roff shows it: hyphens as typed, no line that begins a request. */
static void put_text(const char *text)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", stdout);
	for (; *text != '\0'; text++)
		if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '\\')
			fputs("\\e", stdout);
		else
			putchar(*text);
}

static void put_styled(char style, const char *text)
{
	printf("\\f%c", style);
	put_text(text);
	fputs("\\fR", stdout);
}

static void put_option(const struct argp_option *o)
{
	const bool letter = o->key > ' ' && o->key <= '~';
	const bool optional = (o->flags & OPTION_ARG_OPTIONAL) != 0;

	puts(".TP");
	if (letter) {
		printf("\\fB\\-%c\\fR", o->key);
		if (o->arg != NULL)
			putchar(' '), put_styled('I', o->arg);
		fputs(", ", stdout);
	}
	fputs("\\fB\\-\\-", stdout);
	put_text(o->name);
	fputs("\\fR", stdout);
	if (o->arg != NULL) {
		fputs(optional ? "[=" : "=", stdout);
		put_styled('I', o->arg);
		fputs(optional ? "]" : "", stdout);
	}
	putchar('\n');
	put_text(o->doc);
	putchar('\n');
}

static void put_options(void *arg, const struct command *c, const struct argp *argp)
{
	static const struct argp_option always[] = {{"help", '?', NULL, 0, "Tell all of this.", 0},
	    {"usage", 0, NULL, 0, "Tell the options alone.", 0},
	    {"version", 'V', NULL, 0, "Tell which dmm this is.", 0}};

	(void)arg, (void)c;
	for (const struct argp_option *o = argp->options; o != NULL && (o->name || o->doc); o++)
		if (o->name != NULL && (o->flags & OPTION_HIDDEN) == 0)
			put_option(o);
	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		put_option(&always[i]);
}

/* argp takes forms of usage as lines. */
static void put_synopsis(void *arg, const struct command *c, const struct argp *argp)
{
	const char *form = argp->args_doc != NULL ? argp->args_doc : "";

	(void)arg;
	do {
		const size_t n = strcspn(form, "\n");
		char line[256];
		snprintf(line, sizeof line, "%.*s", (int)n, form);
		printf("\\fBdmm %s\\fR [\\fIOPTION\\fR...] ", c->name);
		put_text(line);
		puts("\n.br");
		form += n;
	} while (*form++ == '\n');
}

/* The texts of --help before the options and, after \v, after them. */
static void put_about(void *arg, const struct command *c, const struct argp *argp)
{
	const size_t n = strcspn(argp->doc, "\v");
	char *const text = strdup(argp->doc);

	(void)arg, (void)c;
	if (text == NULL)
		lab_die(EXIT_OURS, "out of memory");
	text[n] = '\0';
	put_text(text);
	if (argp->doc[n] != '\0') {
		puts("\n.P");
		put_text(text + n + 1);
	}
	putchar('\n');
	free(text);
}

static void put_commands(const struct command *commands)
{
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (c->doc == NULL)
			continue;
		printf(".TP\n\\fBdmm\\-%s\\fR(1)\n", c->name);
		put_text(c->doc);
		putchar('\n');
	}
}

/* The settings of every design, each once: of designs that differ, the first speaks. */
static void put_settings(void)
{
	const char *said[256] = {NULL};
	size_t count = 0;

	for (const struct dmm_system *const *sys = registry_systems(); *sys != NULL; sys++) {
		static struct settings s;
		settings_begin(&s, *sys);
		settings_end(&s);
		for (size_t i = 0; i < s.count && count < sizeof said / sizeof *said; i++) {
			size_t known = 0;
			while (known < count && strcmp(said[known], s.item[i].key) != 0)
				known++;
			if (known < count)
				continue;
			said[count++] = s.item[i].key;
			printf(".TP\n\\fB%s\\fR:%s\n", s.item[i].key, s.item[i].value);
			put_text(s.item[i].doc);
			fputs(" (", stdout);
			put_text(s.item[i].range);
			puts(")");
		}
	}
}

static const struct command *find(const struct command *commands, const char *name)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static void put_line(const char *line, const char *doc)
{
	const struct {
		const char *mark, *text;
	} marks[] = {{"@VERSION@", DMM_VERSION}, {"@DOC@", doc}};

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		const char *const at = strstr(line, marks[i].mark);
		if (at == NULL || marks[i].text == NULL)
			continue;
		printf("%.*s", (int)(at - line), line);
		put_text(marks[i].text);
		fputs(at + strlen(marks[i].mark), stdout);
		return;
	}
	fputs(line, stdout);
}

static void fill(const struct command *commands, const struct command *one, const char *line)
{
	if (strcmp(line, "@COMMANDS@\n") == 0)
		put_commands(commands);
	else if (strcmp(line, "@SETTINGS@\n") == 0)
		put_settings();
	else if (one != NULL && strcmp(line, "@OPTIONS@\n") == 0)
		options_read(one, put_options, NULL);
	else if (one != NULL && strcmp(line, "@ABOUT@\n") == 0)
		options_read(one, put_about, NULL);
	else if (one != NULL && strcmp(line, "@SYNOPSIS@\n") == 0)
		options_read(one, put_synopsis, NULL);
	else
		put_line(line, one != NULL ? one->doc : NULL);
}

int cmd_manual(const struct command *commands, int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;

	if (argc != 4)
		lab_die(EXIT_USAGE, "no page is given: dmm manual NAME PAGE.in PAGE");
	unsetenv("DMM_CONF"); /* settings as they are where nothing is set */
	FILE *const in = fopen(argv[2], "re");
	if (in == NULL)
		lab_die(EXIT_FAULT, "cannot read %s: %s", argv[2], strerror(errno));
	if (freopen(argv[3], "we", stdout) == NULL)
		lab_die(EXIT_OURS, "cannot write %s: %s", argv[3], strerror(errno));
	while (getline(&line, &room, in) > 0)
		fill(commands, find(commands, argv[1]), line);
	free(line);
	fclose(in);
	if (fclose(stdout) != 0)
		lab_die(EXIT_OURS, "cannot write %s: %s", argv[3], strerror(errno));
	return EXIT_FINE;
}
