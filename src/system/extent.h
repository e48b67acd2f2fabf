/* extent.h - segmeta's mappings, each described outside of itself.
 *
 *   all ---> | base, pages, AREA | ---> | base, pages, RUN | ---> ...     in pages of descriptors,
 *               |                          |                              which describe themselves
 *               v                          v
 *            pages of slots             one large object
 *
 * What the kernel refuses to unmap (past vm.max_map_count) is kept, emptied, and taken again for a
 * run.
 */
#ifndef SYSTEM_EXTENT_H
#define SYSTEM_EXTENT_H

#include "base/list.h"
#include "dmm_system.h"

enum extent_kind { EXTENT_AREA, EXTENT_RUN, EXTENT_TABLE, EXTENT_DESCRIPTORS, EXTENT_KEPT };

struct extent {
	struct list link; /* all extents, or the spare descriptors */
	char *base;
	size_t pages;
	enum extent_kind kind;
};

struct extents {
	const struct dmm_os *os;
	struct list all, spare;
	size_t kept; /* extents */
};

void extents_open(struct extents *x, const struct dmm_os *os);
void extents_close(struct extents *x);

/* NULL: no memory, nothing changed.  Only a run may get memory that is not zeroed, or more
 * pages. */
struct extent *extent_new(struct extents *x, size_t pages, enum extent_kind kind);
void extent_delete(struct extents *x, struct extent *e);

/* A run of another length, perhaps elsewhere; false: nothing changed. */
bool extent_resize(struct extents *x, struct extent *e, size_t pages);

void extents_sort(struct extents *x); /* by address */

#endif
