/* conf_file.h - settings in a file: key:value, one or more a line, '#' begins a comment. */
#ifndef LAB_ALLOCATORS_CONF_FILE_H
#define LAB_ALLOCATORS_CONF_FILE_H

#include "dmm_system.h"

/* The file, or the text where it is one (conf_is_text()), as one value for DMM_CONF; the caller
 * frees it.  Ends with exit(EXIT_USAGE) when the file cannot be read; and, if sys is not NULL, when
 * that system has no such setting, a value is out of its range, or the settings cannot be together:
 * file and line, or --conf, are named. */
char *conf_read_file(const char *path, const struct dmm_system *sys);

#endif
