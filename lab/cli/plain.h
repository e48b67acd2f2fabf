/* plain.h - text of others, fit for a terminal.
 *
 * A thread, a process, a file or an argument may be named so that a terminal obeys it: change
 * colours, titles, what was printed before.  Whoever prints such a name prints plain(name).
 * Machine formats need it not: JSON has escapes of its own.
 */
#ifndef LAB_CLI_PLAIN_H
#define LAB_CLI_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Control characters (also those beyond ASCII, and the marks that turn the direction of writing),
 * and bytes that are no UTF-8, as \n, \t or \x1b; all else as it is.  Returns `text` itself where
 * nothing is to be done, else one of 8 buffers that are used by turns: print it before the 8th
 * call from here.  Each thread has its own. */
const char *plain(const char *text);
/* The same, but lines stay lines. */
const char *plain_lines(const char *text);
/* The same to `out`, without memory. */
void plain_put(FILE *out, const char *text);

/* Bytes of the UTF-8 character at s, and the character; 0: *s begins none. */
size_t plain_decode(const char *s, unsigned *character);
/* Would a terminal do something with it, other than show it? */
bool plain_is_command(unsigned character);

#endif
