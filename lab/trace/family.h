/* family.h - the processes of a recording: T, T.PID of children, T.execN of images before an exec,
 * and the programs of which no recording tells. */
#ifndef LAB_TRACE_FAMILY_H
#define LAB_TRACE_FAMILY_H

#include <stddef.h>
#include <stdint.h>

enum { FAMILY_TEXT = 256 };

struct relative {
	uint32_t pid, parent;
	int depth;               /* below the first process */
	uint64_t events, bytes;  /* of the file */
	char path[FAMILY_TEXT];  /* of the recording; "": there is none */
	char what[FAMILY_TEXT];  /* its command; without a recording, the program and why */
};

struct family {
	struct relative *at; /* parents before children, the one with most events first */
	size_t count, cap;
};

/* Of the recording T: T alone has one member.  The caller calls family_free(). */
struct family family_read(const char *path);
void family_free(struct family *f);

#endif
