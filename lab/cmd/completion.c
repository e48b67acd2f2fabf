/* completion.c - dmm completion: the words of the command for bash, zsh and fish, from the tables
 * of options, so that a new option needs no line here.
 *
 * What an option's value may be is read from its name and from what the table calls its argument:
 * "as-is|off|both" are the words themselves, "DIR" is a directory, "N" is nothing that can be
 * completed, and other capitals are a file.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "allocators/allocators.h"
#include "cli/lab.h"
#include "cmd/commands.h"

enum value { VALUE_NONE, VALUE_WORDS, VALUE_SYSTEMS, VALUE_FILE, VALUE_DIRECTORY, VALUE_PROCESS,
	VALUE_COMMAND, VALUE_SIGNAL, VALUE_OTHER };

/* The words of completion scripts, in order of enum value. */
static const char *const kinds[] = {[VALUE_WORDS] = "words", [VALUE_SYSTEMS] = "systems",
    [VALUE_FILE] = "file", [VALUE_DIRECTORY] = "directory", [VALUE_PROCESS] = "process",
    [VALUE_COMMAND] = "command", [VALUE_SIGNAL] = "signal", [VALUE_OTHER] = "other"};

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static enum value value_of(const char *name, const char *arg)
{
	static const char *const systems[] = {"system", "systems", NULL};
	static const char *const others[] = {"N", "S", "K", "SECONDS", "PERCENT", "BYTES",
	    "COLUMNS", "HASH", "K:V|V,..", "libc|KCALLS", "SUITE", NULL};

	if (arg == NULL)
		return VALUE_NONE;
	if (is_one_of(name, systems))
		return VALUE_SYSTEMS;
	if (is_one_of(arg, others))
		return VALUE_OTHER;
	if (strcmp(name, "pid") == 0)
		return VALUE_PROCESS;
	if (strchr(arg, '|') != NULL)
		return VALUE_WORDS;
	return strcmp(arg, "DIR") == 0 ? VALUE_DIRECTORY
	    : strcmp(arg, "CMD") == 0  ? VALUE_COMMAND
	    : strcmp(arg, "SIGNAL") == 0 ? VALUE_SIGNAL
	                                 : VALUE_FILE;
}

/* What stands where no option does. */
static enum value operand_of(const struct argp *argp)
{
	const char *const text = argp->args_doc;

	return text == NULL || strcmp(text, "[WORD...]") == 0 ? VALUE_NONE
	    : strchr(text, '|') != NULL       ? VALUE_WORDS
	    : strstr(text, "DESIGN") != NULL  ? VALUE_SYSTEMS
	    : strstr(text, "PROGRAM") != NULL ? VALUE_COMMAND
	    : strcmp(text, "PID") == 0        ? VALUE_PROCESS
	                                      : VALUE_FILE;
}

/* Each word of "auto|none|P,.." that is meant as it stands, with a blank before it. */
static void put_words(FILE *out, const char *arg)
{
	while (*arg != '\0') {
		const size_t n = strcspn(arg, "|");
		if (arg[0] >= 'a' && arg[0] <= 'z')
			fprintf(out, " %.*s", (int)n, arg);
		arg += n + (arg[n] == '|');
	}
}

static void put_systems(FILE *out)
{
	for (const char *const *s = systems_names(); *s != NULL; s++)
		fprintf(out, " %s", *s);
}

/* Print text for single quotes of a shell; the characters of `escaped` get a backslash. */
static void put_quoted(FILE *out, const char *text, const char *quote, const char *escaped)
{
	for (; *text != '\0'; text++)
		if (*text == '\'')
			fputs(quote, out);
		else
			fprintf(out, strchr(escaped, *text) != NULL ? "\\%c" : "%c", *text);
}

static bool is_shown(const struct argp_option *o)
{
	return o->name != NULL && (o->flags & OPTION_HIDDEN) == 0;
}

/* Options that argp gives every command. */
static const struct argp_option everywhere[] = {
    {"help", '?', NULL, 0, "Say what the command does", 0},
    {"usage", 0, NULL, 0, "Say it shortly", 0},
    {"version", 'V', NULL, 0, "Say which dmm this is", 0}, {0}};

typedef void option_writer(const struct command *command, const struct argp_option *o);

static void each_option(const struct command *c, const struct argp *argp, option_writer *write)
{
	for (const struct argp_option *o = argp->options; o != NULL && (o->name || o->doc); o++)
		if (is_shown(o))
			write(c, o);
	for (const struct argp_option *o = everywhere; o->name != NULL; o++)
		write(c, o);
}

static bool has_letter(const struct argp_option *o)
{
	return o->key > ' ' && o->key <= '~';
}

/* ---- bash -------------------------------------------------------------------------------- */

static void bash_name(const struct command *c, const struct argp_option *o)
{
	(void)c;
	printf(" --%s%s", o->name, o->arg != NULL && !(o->flags & OPTION_ARG_OPTIONAL) ? "=" : "");
}

static void bash_value(const struct command *c, const struct argp_option *o)
{
	const enum value value = value_of(o->name, o->arg);

	if (value == VALUE_NONE)
		return;
	printf("\t'%s --%s'", c->name, o->name);
	if (has_letter(o))
		printf("|'%s -%c'", c->name, o->key);
	printf(") echo %s", kinds[value]);
	if (value == VALUE_WORDS)
		put_words(stdout, o->arg);
	puts(";;");
}

static void bash_options(void *arg, const struct command *c, const struct argp *argp)
{
	(void)arg;
	printf("\t'%s') echo", c->name);
	each_option(c, argp, bash_name);
	puts(";;");
}

static void bash_values(void *arg, const struct command *c, const struct argp *argp)
{
	(void)arg;
	each_option(c, argp, bash_value);
	if (operand_of(argp) == VALUE_NONE)
		return;
	printf("\t'%s ') echo %s", c->name, kinds[operand_of(argp)]);
	if (operand_of(argp) == VALUE_WORDS)
		put_words(stdout, argp->args_doc);
	puts(";;");
}

static const char bash_end[] =
    "# What may stand for a word that begins with $2, of kind $1 (and words): COMPREPLY.\n"
    "_dmm_fill()\n{\n"
    "\tlocal word=$2 before=''\n"
    "\tset -- $1\n"
    "\tcase ${1-} in\n"
    "\tsystems) before=${word%\"${word##*,}\"} word=${word##*,}; set -- words $(_dmm_systems);;\n"
    "\tesac\n"
    "\tcase ${1-} in\n"
    "\twords) mapfile -t COMPREPLY < <(compgen -P \"$before\" -W \"${*:2}\" -- \"$word\");;\n"
    "\tfile) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\");;\n"
    "\tdirectory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$word\");;\n"
    "\tcommand) mapfile -t COMPREPLY < <(compgen -c -- \"$word\");;\n"
    "\tsignal) mapfile -t COMPREPLY < <(compgen -A signal -- \"$word\");;\n"
    "\tprocess) mapfile -t COMPREPLY < <(cd /proc; compgen -W \"$(echo [1-9]*)\" -- \"$word\");;\n"
    "\tesac\n"
    "}\n\n"
    "_dmm()\n{\n"
    "\tlocal at=$COMP_CWORD word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} option='' i\n"
    "\tCOMPREPLY=()\n"
    "\tif ((at == 1)); then\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_dmm_commands)\" -- \"$word\")\n"
    "\t\treturn\n"
    "\tfi\n"
    "\tfor ((i = 2; i < at; i++)); do # the program and its arguments stand behind --\n"
    "\t\t[[ ${COMP_WORDS[i]} == -- ]] || continue\n"
    "\t\tif declare -F _command_offset >/dev/null; then _command_offset $((i + 1))\n"
    "\t\telse _dmm_fill \"$( ((at == i + 1)) && echo command || echo file)\" \"$word\"; fi\n"
    "\t\treturn\n"
    "\tdone\n"
    "\t# bash makes three words of --option=value\n"
    "\tif [[ $word == = ]]; then option=${COMP_WORDS[at - 1]} word=''\n"
    "\telif [[ ${COMP_WORDS[at - 1]} == = ]]; then option=${COMP_WORDS[at - 2]}\n"
    "\telif [[ ${COMP_WORDS[at - 1]} == -[a-zA-Z] ]]; then option=${COMP_WORDS[at - 1]}; fi\n"
    "\tif [[ -z $option && $word == -* ]]; then\n"
    "\t\tmapfile -t COMPREPLY < <(compgen -W \"$(_dmm_options \"$command\")\" -- \"$word\")\n"
    "\t\t[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace\n"
    "\t\treturn\n"
    "\tfi\n"
    "\t_dmm_fill \"$(_dmm_value \"$command $option\")\" \"$word\"\n"
    "}\n"
    "complete -F _dmm dmm\n";

static void each_command(const struct command *commands, options_reader *read)
{
	for (const struct command *c = commands; c->name != NULL; c++)
		if (c->doc != NULL)
			options_read(c, read, NULL);
}

static void bash(const struct command *commands)
{
	puts("# bash completion for dmm: made by 'dmm completion bash' from tables of options.");
	fputs("_dmm_commands() { echo --help --version", stdout);
	for (const struct command *c = commands; c->name != NULL; c++)
		if (c->doc != NULL)
			printf(" %s", c->name);
	fputs("; }\n_dmm_systems() { echo", stdout);
	put_systems(stdout);
	puts("; }\n_dmm_options()\n{\n\tcase $1 in");
	each_command(commands, bash_options);
	puts("\tesac\n}\n\n"
	     "# Of 'COMMAND OPTION', and of 'COMMAND ' for its operands: the kind of value.\n"
	     "_dmm_value()\n{\n\tcase $1 in");
	each_command(commands, bash_values);
	puts("\tesac\n}\n");
	fputs(bash_end, stdout);
}

/* ---- zsh --------------------------------------------------------------------------------- */

static void zsh_action(enum value value, const char *arg)
{
	static const char *const actions[] = {[VALUE_FILE] = "_files",
	    [VALUE_DIRECTORY] = "_files -/", [VALUE_PROCESS] = "_pids",
	    [VALUE_COMMAND] = "_command_names -e",
	    [VALUE_SIGNAL] = "_signals", [VALUE_OTHER] = ""};

	if (value == VALUE_WORDS) {
		putchar('(');
		put_words(stdout, arg);
		putchar(')');
	} else if (value == VALUE_SYSTEMS) {
		fputs("_values -s , design", stdout);
		put_systems(stdout);
	} else
		fputs(actions[value], stdout);
}

static void zsh_option(const struct command *c, const struct argp_option *o)
{
	const enum value value = value_of(o->name, o->arg);
	const char *const arrow = value == VALUE_NONE ? ""
	    : o->flags & OPTION_ARG_OPTIONAL          ? "=-"
	                                              : "=";

	(void)c;
	for (int letter = 0; letter <= has_letter(o); letter++) {
		if (letter)
			printf(" \\\n\t\t\t'-%c%s[", o->key, value == VALUE_NONE ? "" : "+");
		else
			printf(" \\\n\t\t\t'--%s%s[", o->name, arrow);
		put_quoted(stdout, o->doc, "'\\''", "[]:\\");
		putchar(']');
		if (value != VALUE_NONE) {
			printf(":%s", o->flags & OPTION_ARG_OPTIONAL ? ":" : "");
			put_quoted(stdout, o->arg, "'\\''", "[]:\\");
			putchar(':');
			zsh_action(value, o->arg);
		}
		putchar('\'');
	}
}

static void zsh_command(void *arg, const struct command *c, const struct argp *argp)
{
	const enum value operand = operand_of(argp);

	(void)arg;
	printf("\t%s)\n\t\t_arguments -S", c->name);
	each_option(c, argp, zsh_option);
	if (operand == VALUE_COMMAND)
		fputs(" \\\n\t\t\t'*::program:_normal'", stdout);
	else if (operand != VALUE_NONE) {
		fputs(" \\\n\t\t\t'*:operand:", stdout);
		zsh_action(operand, argp->args_doc);
		putchar('\'');
	}
	puts(";;");
}

static void zsh(const struct command *commands)
{
	puts("#compdef dmm\n"
	     "# zsh completion for dmm: made by 'dmm completion zsh' from tables of options.\n"
	     "_dmm()\n{\n\tlocal -a commands\n\tcommands=(");
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (c->doc == NULL)
			continue;
		printf("\t\t'%s:", c->name);
		put_quoted(stdout, c->doc, "'\\''", ":\\");
		puts("'");
	}
	puts("\t)\n\tif ((CURRENT == 2)); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	     "\tlocal command=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $command in");
	each_command(commands, zsh_command);
	puts("\tesac\n}\n"
	     "if [[ $funcstack[1] == _dmm ]]; then _dmm \"$@\"; else compdef _dmm dmm; fi");
}

/* ---- fish -------------------------------------------------------------------------------- */

static void fish_value(enum value value, const char *arg)
{
	static const char *const actions[] = {[VALUE_FILE] = "-F",
	    [VALUE_DIRECTORY] = "-x -a '(__fish_complete_directories)'",
	    [VALUE_PROCESS] = "-x -a '(__fish_complete_pids)'",
	    [VALUE_COMMAND] = "-x -a '(__fish_complete_command)'",
	    [VALUE_SIGNAL] = "-x -a 'USR1 USR2 HUP INT ALRM WINCH'",
	    [VALUE_OTHER] = "-x"};

	if (value == VALUE_WORDS || value == VALUE_SYSTEMS) {
		fputs(value == VALUE_WORDS ? "-x -a '" : "-x -a '(__fish_append ,", stdout);
		if (value == VALUE_WORDS)
			put_words(stdout, arg);
		else
			put_systems(stdout);
		fputs(value == VALUE_WORDS ? "'" : ")'", stdout);
	} else if (value != VALUE_NONE)
		fputs(actions[value], stdout);
}

static void fish_option(const struct command *c, const struct argp_option *o)
{
	printf("complete -c dmm -n '__fish_seen_subcommand_from %s' -l %s ", c->name, o->name);
	if (has_letter(o))
		printf("-s '%c' ", o->key);
	fputs(value_of(o->name, o->arg) == VALUE_FILE ? "-r " : "", stdout);
	fish_value(value_of(o->name, o->arg), o->arg);
	fputs(" -d '", stdout);
	put_quoted(stdout, o->doc, "\\'", "\\");
	puts("'");
}

static void fish_command(void *arg, const struct command *c, const struct argp *argp)
{
	const enum value operand = operand_of(argp);

	(void)arg;
	each_option(c, argp, fish_option);
	if (operand == VALUE_COMMAND)
		printf("complete -c dmm -n '__fish_seen_subcommand_from %s' -x -a "
		       "'(__fish_complete_subcommand)'\n", c->name);
	else if (operand != VALUE_NONE) {
		printf("complete -c dmm -n '__fish_seen_subcommand_from %s' ", c->name);
		fish_value(operand, argp->args_doc);
		putchar('\n');
	}
}

static void fish(const struct command *commands)
{
	puts("# fish completion for dmm: made by 'dmm completion fish' from tables of options.\n"
	     "complete -c dmm -f");
	for (const struct command *c = commands; c->name != NULL; c++) {
		if (c->doc == NULL)
			continue;
		printf("complete -c dmm -n __fish_use_subcommand -a %s -d '", c->name);
		put_quoted(stdout, c->doc, "\\'", "\\");
		puts("'");
	}
	each_command(commands, fish_command);
}

/* ---- the command ------------------------------------------------------------------------- */

struct completion {
	int shell; /* -1: none yet */
	const char *output;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const names[] = {"bash", "zsh", "fish", NULL};
	struct completion *const r = state->input;

	switch (key) {
	case 'o':
		r->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		for (r->shell = 0; names[r->shell] != NULL; ++r->shell)
			if (strcmp(arg, names[r->shell]) == 0)
				return 0;
		lab_unknown("shell", arg, names);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_completion(const struct command *commands, int argc, char **argv)
{
	static void (*const write[])(const struct command *) = {bash, zsh, fish};
	static const struct argp_option options[] = {
	    {"output", 'o', "F", 0, "Write to F, not to stdout", 0}, {0}};
	static const struct argp argp = {options, parse, "bash|zsh|fish",
	    "Print what a shell needs to complete the words of dmm.\v"
	    "In bash: eval \"$(dmm completion bash)\". An installed dmm needs no such line.",
	    NULL, NULL, NULL};
	struct completion r = {.shell = -1};

	options_parse(&argp, argc, argv, &r);
	if (r.shell < 0)
		lab_die(EXIT_USAGE, "no shell is given: dmm completion bash, zsh or fish");
	if (r.output != NULL && freopen(r.output, "we", stdout) == NULL)
		lab_die(EXIT_OURS, "cannot write %s: %s", r.output, strerror(errno));
	write[r.shell](commands);
	if (fclose(stdout) != 0)
		lab_die(EXIT_OURS, "cannot write the completion: %s", strerror(errno));
	return EXIT_FINE;
}
