/* earlier.h - the files of an earlier recording T, which a new one replaces. */
#ifndef LAB_RECORD_EARLIER_H
#define LAB_RECORD_EARLIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct earlier {
	char **path; /* T, T.tape, T.PID, T.execN, T.PID.execN, and .tape of these */
	size_t count, cap;
	size_t moved; /* so many of them are set aside, as PATH.earlier-PID of dmm */
	bool was_empty; /* T was there, and empty */
};

/* Lists the files. Ends dmm where a process still writes one of them, or a file that is not dmm's
 * stands in the place of T or of a file that the recorder makes. Changes nothing. */
struct earlier earlier_find(const char *path);
/* Renames the files. Where one of them cannot be renamed: all are back, and dmm ends. */
void earlier_set_aside(struct earlier *e);
/* Then either gives the files their names again, or removes them. Both free the list. */
void earlier_restore(struct earlier *e);
void earlier_discard(struct earlier *e);

#endif
