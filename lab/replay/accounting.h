/* accounting.h - where a heap's memory is, to the last byte.
 *
 *   footprint = payload + padding + headers + bins + caches + tails + retained
 *
 * That sum is an equation, not a definition: the footprint is what the system obtained from its
 * struct dmm_os, the parts come from its walk, and the two are compared.
 *
 * A system with a window of addresses (slab) has obtained those pages that were put to use since
 * they were last given back. Nobody writes into payload here, so who plays the program says what it
 * would touch (os_arena_touch): all of what it asked for.
 */
#ifndef LAB_REPLAY_ACCOUNTING_H
#define LAB_REPLAY_ACCOUNTING_H

#include "allocators/subject.h"
#include "os/os.h"
#include "system/heap.h"

enum part {
	PART_PAYLOAD,  /* what the program asked for and has */
	PART_PADDING,  /* given beyond that: rounding to classes, alignment inside an object */
	PART_HEADERS,  /* headers, footers, links, tables: the system's own */
	PART_BINS,     /* free, in bins, lists or slabs, for the next request of that size */
	PART_CACHES,   /* freed, waiting to be merged or sorted in */
	PART_TAILS,    /* ends of pages and slabs that no request can get, gaps for alignment */
	/* free beyond the bins: the heap's top, whole runs, kept mappings; dead for ever */
	PART_RETAINED,
	PARTS,
};

extern const char *const part_names[PARTS];

struct accounting {
	uint64_t events;    /* how many had happened */
	uint64_t ns;        /* of the recording's time */
	uint64_t footprint; /* bytes obtained and not returned; of slab, put to use */
	uint64_t part[PARTS];
	uint64_t live_count;
};

/* payload: bytes asked for and live.  False: the parts do not sum to what arena gave; *a says what
 * was found, which breaks an invariant of the system's walk. */
bool accounting_take(struct accounting *a, struct heap *h, const struct os_arena *arena,
    uint64_t payload);

/* A walk of what has memory: of each piece, the stretches with it; tables in reserved addresses
 * not at all. */
typedef int held_visit(void *arg, const struct dmm_piece *p, uintptr_t addr, size_t len);
int held_walk(struct heap *h, const struct os_arena *arena, held_visit *each, void *arg);

/* Bytes of tables in reserved addresses, which os_arena_footprint() leaves out. */
uint64_t held_tables(struct heap *h, const struct os_arena *arena);

/* Addresses for a model, as many as a limit of address space (ulimit -v) leaves: 768 GiB without
 * one, 384 MiB at least.  0 or -errno. */
int held_arena_open(struct os_arena *arena);

/* Open a heap as the subject says.  threads: that make calls in the recording.  With one, slab
 * gives memory back by the program's own calls, as it does in such a process; with more, by its
 * helper, which follows the clock.  0 or -errno. */
int held_open(struct heap *h, const struct subject *s, size_t threads,
    const struct os_arena *arena);

/* The cost of a replay in steps: about nanoseconds, but counted, so that it is the same in every
 * run and on every machine. Each call, system call, page and huge page that became
 * resident, miss of slab's fast path, and chunk that a search looked at has a fixed weight. */
struct held_steps {
	/* counts at held_steps_begin(); after held_steps_end() those since then */
	uint64_t os_calls, faults, huge_faults, misses, looks;
};
void held_steps_begin(struct held_steps *s, const struct os_arena *arena);
double held_steps_end(struct held_steps *s, const struct os_arena *arena, uint64_t calls);

/* Footprint over the recording's time.  One function moves the clock for every command, so that all
 * of them tell the same mean and the same end. */
struct held_time {
	uint64_t ns;      /* of the recording, so far */
	uint64_t tables;  /* bytes that count in addition to the arena's footprint: held_tables() */
	double byte_ns;   /* the area under the footprint */
};

/* It is `ns` now: what was held since t->ns counts, and a heap that purges in the background does
 * so.  In an idle time the clock stops at each moment at which slab looks for pages to purge.
 * Every command calls this wherever the recording knows the time (ops_clock), and at the end. */
void held_advance(struct held_time *t, struct heap *h, struct os_arena *arena, uint64_t ns);

#endif
