/* convert.h - converts the recording of another tool. */
#ifndef LAB_IMPORT_CONVERT_H
#define LAB_IMPORT_CONVERT_H

#include "import/import.h"

struct import_order {
	const char *path, *output;          /* path "-": stdin */
	const struct import_format *format; /* NULL: the first line tells */
	bool scrub;                         /* leave command lines and paths out */
	/* say only what is wrong or strange, without the file's name */
	bool terse;
};

/* Returns the exit status: EXIT_FAULT if the input is damaged, though the recording holds what
 * comes before. Ends the program if nothing can be read or written. */
int import_convert(const struct import_order *order);

#endif
