/* ids.h - traces that name objects by numbers: what the .rep and the protobuf importer share.
 *
 * Addresses are made up; an object keeps its own when it shrinks. */
#ifndef LAB_IMPORT_IDS_H
#define LAB_IMPORT_IDS_H

#include "import/import.h"
#include "trace/live.h"

#define IDS_LIMIT ((uint64_t)1 << 40)

struct ids {
	struct import *im;
	struct live objects; /* by id; user: the address now, 0 after realloc(p, 0) */
};

bool ids_open(struct ids *ids, struct import *im);
void ids_close(struct ids *ids);

/* Each is one event.  False: im->error. */
bool ids_allocate(struct ids *ids, enum trace_op op, uint64_t id, uint64_t size);
bool ids_allocate_aligned(struct ids *ids, uint64_t id, uint64_t size, unsigned align_log2);
/* A call that gave NULL. */
bool ids_refuse(struct ids *ids, enum trace_op op, uint64_t size);
/* realloc of `from` (none is live: NULL), whose result is `to` from now on. */
bool ids_resize(struct ids *ids, uint64_t from, uint64_t to, uint64_t size);
bool ids_release(struct ids *ids, uint64_t id);
bool ids_release_null(struct ids *ids);

#endif
