/* lab.h - the dmm command: its subcommands, and how all of them talk.
 *
 * Data goes to stdout, talk to stderr.  Exit: 0 fine, 1 a fault or a difference was found, 2 usage,
 * 125-127 as env(1) has them.  A new subcommand is a file cmd/NAME.c with cmd_NAME(), declared in
 * cmd/commands.h, and one line in the table of cmd/main.c.
 */
#ifndef LAB_CLI_LAB_H
#define LAB_CLI_LAB_H

#include <stdbool.h>
#include <stddef.h>

enum {
	EXIT_FINE = 0,
	/* something is wrong with what dmm was asked to look at; also: a file is missing or
	 * damaged */
	EXIT_FAULT = 1,
	EXIT_USAGE = 2,
	EXIT_OURS = 125, /* dmm itself failed: no memory, no right to look, nowhere to write */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
	/* by ^C before all was measured, and no fault was found; as a shell has it */
	EXIT_INTERRUPTED = 130,
};

struct argp; /* glibc's, of <argp.h> */

/* A subcommand: argv[0] is "dmm NAME", as argp prints it. */
struct command {
	const char *name, *doc; /* doc: one line */
	int (*run)(int argc, char **argv);
};

/* ---- talk -------------------------------------------------------------------------------- */

/* One line on stderr: "dmm: ...".  On a terminal it breaks between words. */
__attribute__((format(printf, 1, 2))) void lab_say(const char *format, ...);
/* The same, then exit(status). */
__attribute__((format(printf, 2, 3), noreturn)) void lab_die(int status, const char *format, ...);
/* "dmm: unknown WHAT 'WORD'; did you mean 'NEAREST'?", then exit(EXIT_USAGE).  Where no name is
 * near and there are few, the message lists them.  names: NULL ends it. */
__attribute__((noreturn)) void lab_unknown(const char *what, const char *word,
    const char *const *names);
/* The last line on stderr: the command that one would run next.  argv (may be NULL) is appended,
 * quoted for a shell. */
__attribute__((format(printf, 2, 3))) void lab_next(char *const *argv, const char *format, ...);
/* The word as a shell needs it, for a command in a message: the word itself if it is plain.  Valid
 * until the 4th call from here.  Not thread-safe. */
const char *lab_quoted(const char *word);

/* Flush stdout.  If any of it could not be written, say so, and return EXIT_OURS in place of
 * EXIT_FINE; else `status`. */
int lab_finish(int status);

/* ---- options ------------------------------------------------------------------------------ */

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };

/* Keys of options without a letter, for every subcommand's own options. */
enum { OPTION_FORMAT = 0x1000, OPTION_OWN = 0x1100 };

#define OPTION_FORMAT_LINE                                                                         \
	{"format", OPTION_FORMAT, "text|json|csv", 0, "The format of stdout (text)", 0}

/* argp_parse with the lab's manners: a misspelt option names the nearest one; usage errors exit 2;
 * options end at the first operand, so that a program's own options stay its own. */
void options_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Call `read` with the table of options of a command, which does not run: for completion and
 * manual pages.  Every command calls options_parse() before all else.  Not thread-safe. */
typedef void options_reader(void *arg, const struct command *command, const struct argp *argp);
void options_read(const struct command *command, options_reader *read, void *arg);

/* The one operand of a command into *operand; kind: "recording" and the like.  A second one is a
 * usage error. */
void option_operand(const char **operand, const char *arg, const char *kind);

enum format option_format(const char *arg);
/* A number of at least `least`, or exit(EXIT_USAGE); `name` is the option's. */
size_t option_count(const char *name, const char *arg, size_t least);
double option_seconds(const char *name, const char *arg);
/* Bytes with an optional K, M, G (of 1024). */
size_t option_bytes(const char *name, const char *arg);
/* The index of arg in names (NULL ends it), or exit(EXIT_USAGE). */
int option_choice(const char *name, const char *arg, const char *const *names);

#endif
