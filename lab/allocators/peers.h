/* peers.h - the allocators of others that a machine may have installed. */
#ifndef LAB_ALLOCATORS_PEERS_H
#define LAB_ALLOCATORS_PEERS_H

struct peer {
	const char *name, *package; /* package: Debian's */
	const char *const *files;   /* newest first, NULL ends */
};

/* NULL: no such name. */
const struct peer *peer_find(const char *name);
/* All names; NULL ends. */
const char *const *peer_names(void);
/* Where it is installed, or NULL; the caller frees it. */
char *peer_path(const struct peer *peer);

#endif
