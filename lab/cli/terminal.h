/* terminal.h - a full screen and single keys, by plain escape sequences: for dmm show and dmm
 * top.
 *
 * The terminal is as it was after terminal_leave(), after a signal that ends the program, and while
 * the program is stopped by Ctrl-Z.  One at a time; not thread-safe.
 */
#ifndef LAB_CLI_TERMINAL_H
#define LAB_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Ends the program with `otherwise` where there is no terminal on both sides. */
void terminal_enter(const char *otherwise);
void terminal_leave(void);
bool terminal_entered(void);

size_t terminal_rows(void);
size_t terminal_columns(void);

/* The last row alone. */
void terminal_status(const char *status, bool colour);
/* Text from the top left, at most all rows but one; the last row shows
 * `status`. */
void terminal_put(const char *text, const char *status, bool colour);

enum { KEY_NONE = -1, KEY_RIGHT = 0x100, KEY_LEFT, KEY_ESCAPE, KEY_RESIZED, KEY_CLOSED };
/* A character or one of these; KEY_NONE after wait_ms (-1: never) without one. */
int terminal_key(int wait_ms);

#endif
