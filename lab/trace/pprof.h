/* pprof.h - a heap profile in pprof's format (github.com/google/pprof, proto/profile.proto), packed
 * by gzip: what Go's pprof, and the profilers that take its uploads, read.
 *
 * Protobuf permits the parts in any order, so that each is written as soon as it is known; tables
 * of what was written stay in memory.
 */
#ifndef LAB_TRACE_PPROF_H
#define LAB_TRACE_PPROF_H

#include "trace/symbols.h"

enum pprof_value {
	PPROF_ALLOC_OBJECTS,
	PPROF_ALLOC_SPACE,
	PPROF_INUSE_OBJECTS,
	PPROF_INUSE_SPACE,
	PPROF_PEAK_OBJECTS, /* when most was live */
	PPROF_PEAK_SPACE,
	PPROF_RECORDED, /* the values of a recording end here */
	PPROF_TEMPORARY_OBJECTS = PPROF_RECORDED, /* freed before their thread allocated again */
	PPROF_TEMPORARY_SPACE,
	PPROF_VALUES,
};

/* What a profile is of. */
struct pprof_head {
	uint64_t wall_ns; /* when it was taken */
	uint64_t period;  /* bytes from sample to sample, on average */
	unsigned values;  /* of each sample: PPROF_RECORDED or PPROF_VALUES */
	const char *maps; /* as of symbols_open_maps(); NULL: pprof_maps() tells */
};

struct pprof;

/* A profile to the file descriptor, which stays open.  NULL: no memory. */
struct pprof *pprof_open(int fd, const struct pprof_head *head, struct symbols *symbols);
/* The mapped code of a recording.  Before the first sample. */
void pprof_maps(struct pprof *p, const struct trace_file *f);
/* The values of a stack of `depth` return addresses, innermost first. */
void pprof_sample(struct pprof *p, const uint64_t *addr, size_t depth,
    const uint64_t *value);
/* Ends the profile, which lasted duration_ns.  False: not all of it could be written. */
bool pprof_close(struct pprof *p, uint64_t duration_ns);

#endif
