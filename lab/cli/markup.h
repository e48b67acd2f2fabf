/* markup.h - text inside HTML, SVG and XML. */
#ifndef LAB_CLI_MARKUP_H
#define LAB_CLI_MARKUP_H

#include <stdio.h>

/* The text with < > & " as references and control characters as blanks, which XML 1.0 has not even
 * as references: between tags, and inside an attribute in double quotes. */
void markup_put(FILE *out, const char *text);

#endif
