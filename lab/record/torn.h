/* torn.h - mappings of a file that another process may truncate: a load behind its end gives
 * zeros.
 *
 * The kernel raises SIGBUS where a mapped page lies behind the end of its file.  The handler puts a
 * page of zeros in its place and notes that the mapping is torn, so that the thread goes on and
 * finds out.
 */
#ifndef LAB_RECORD_TORN_H
#define LAB_RECORD_TORN_H

#include <stdbool.h>
#include <stddef.h>

struct torn_map {
	char *at; /* NULL: nothing is mapped */
	size_t len;
	_Atomic bool torn;
};

/* Install the handler, for the whole process. */
void torn_begin(void);
/* From here on the calling thread touches this mapping and no other; NULL: none.  A SIGBUS
 * elsewhere ends the process, as it would without the handler. */
void torn_touch(struct torn_map *m);
/* Unmap.  Of a torn mapping the addresses stay in use, as zeros: the C library's list of the locks
 * that this thread holds may still lead there. */
void torn_unmap(struct torn_map *m);

#endif
