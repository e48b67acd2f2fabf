/* peers.h - other projects' allocators that a machine may have installed. */
#ifndef LAB_ALLOCATORS_PEERS_H
#define LAB_ALLOCATORS_PEERS_H

#include "process/known_mallocs.h"

/* Of those with files that can be preloaded; NULL: no such name. */
const struct known_malloc *peer_find(const char *name);
/* All names; NULL ends. */
const char *const *peer_names(void);
/* Where it is installed, or NULL; the caller frees it. */
char *peer_path(const struct known_malloc *peer);

#endif
