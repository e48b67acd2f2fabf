/* slab_conf.h - settings of slab where it is one design of many, as a text like that of DMM_CONF.
 *
 * slab reads its settings when it starts, and has one heap in a process.  So the lab says which
 * text the next start reads.  Not thread-safe; no heap of slab may be open.
 */
#ifndef LAB_ALLOCATORS_SLAB_CONF_H
#define LAB_ALLOCATORS_SLAB_CONF_H

#include <stdbool.h>
#include <stddef.h>

/* The next heap of slab has these settings; "" or NULL: those that it comes with.  The text must
 * live until that heap is open. */
void slab_conf_next(const char *text);

/* Can slab obey all of it?  False: the first mistake is in why[cap]. */
bool slab_conf_valid(const char *text, char *why, size_t cap);

/* Can slab obey it on simulated memory, where objects have no bytes?  Not if it has to write into
 * objects, or to watch each call. */
bool slab_conf_simulable(const char *text);

/* Does it set nothing to another value than slab comes with? */
bool slab_conf_changes_nothing(const char *text);

#endif
