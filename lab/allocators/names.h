/* names.h - lists of allocators on the command line: "bins,gnu?fit:best,reuse:links,my=a.so".
 *
 *   NAME  NAME?SETTINGS  NAME=PATH  NAME=PATH?SETTINGS     separated by commas
 *
 * A comma also separates settings: `key:value` after an item that has a '?' belongs to that item.
 */
#ifndef LAB_ALLOCATORS_NAMES_H
#define LAB_ALLOCATORS_NAMES_H

#include <limits.h>
#include <stdbool.h>

/* Cut the next item off *rest; false at the end.  An item too long ends dmm with EXIT_USAGE. */
bool names_next(const char **rest, char item[PATH_MAX]);

/* The item's parts, cut in place: `item` becomes the name alone.  NULL: it has no such part. */
void names_split(char *item, char **path, char **settings);

#endif
