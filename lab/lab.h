/* lab.h - the dmm command: its subcommands, and what they share.
 *
 * Data goes to stdout, talk to stderr.  Exit: 0 fine, 1 a fault or a difference was found, 2 usage,
 * 125-127 as env(1) has them.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

enum {
	EXIT_FINE = 0,
	EXIT_FAULT = 1,
	EXIT_USAGE = 2,
	EXIT_OURS = 125, /* dmm itself failed */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
};

/* A subcommand: argv[0] is its own name. */
struct command {
	const char *name, *doc; /* doc: one line */
	int (*run)(int argc, char **argv);
};

#endif
