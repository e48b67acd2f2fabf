/* code_maps.h - which files' code is mapped where in this process, with their build-ids: from
 * /proc/self/maps, not from the loader, whose lock may be held by a thread that waits for one of
 * ours. */
#ifndef INTERPOSE_CODE_MAPS_H
#define INTERPOSE_CODE_MAPS_H

#include <stdint.h>

#include "base/elf_id.h"

struct code_map {
	uint64_t start, end, offset; /* addresses; bytes into the file */
	char id[ELF_ID_ROOM];        /* "-": it has none */
	const char *path;            /* good until the visitor returns */
};

/* Call visit(arg, map) for each executable mapping of a file, and for the vdso, in address order.
 * Nothing is allocated.  0, or the errno of opening the file. */
int code_maps_visit(void (*visit)(void *arg, const struct code_map *map), void *arg);

#endif
