/* conf_file.h - settings in a file: key:value, one or more a line, '#' begins a comment. */
#ifndef LAB_CONF_FILE_H
#define LAB_CONF_FILE_H

/* The file as one value for DMM_CONF; the caller frees it.  Ends with exit(EXIT_USAGE) when it cannot
 * be read. */
char *conf_read_file(const char *path);

#endif
