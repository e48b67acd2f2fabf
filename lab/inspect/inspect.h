/* inspect.h - slab's heap in another process or in a core, read from outside.
 *
 *   process/memory.h   find.c                   slab.c                   pages.c
 *   bytes by address   where dmm_slab_root is  its records to a view    which pages are resident
 *
 * The reader neither prepares, stops nor writes to the target.  So the view of a running program is
 * not of one moment: the reader checks every record against its neighbours, reads it again if it
 * does not fit, and counts it as torn if it never fits.
 *
 * Invariants, checked by outside_view_check():
 *   O1 parts    the causes sum to the addresses in use: granules, tables, and objects in mappings
 *               of their own
 *   O2 classes  the classes' slabs, objects and bytes sum to the totals
 */
#ifndef LAB_INSPECT_INSPECT_H
#define LAB_INSPECT_INSPECT_H

#include "process/memory.h"

/* The cause of each byte of the heap's addresses.  Causes up to OUTSIDE_HELD hold memory, as slab
 * counts it. */
enum outside_cause {
	OUTSIDE_LIVE,   /* objects in slabs, as large as their class */
	OUTSIDE_LARGE,  /* large objects, a run of granules each */
	OUTSIDE_FREE,   /* free objects of slabs */
	OUTSIDE_CACHED, /* the same, in the stacks from which their thread allocates */
	OUTSIDE_REMOTE, /* the same, freed by another thread, not yet taken back by the owner */
	OUTSIDE_TAIL,   /* slabs' ends, too short for an object */
	OUTSIDE_DIRTY,  /* free granules that were used and not given back yet */
	OUTSIDE_TABLES, /* slab's records of all this */
	OUTSIDE_TORN,   /* changed whenever it was looked at */
	OUTSIDE_HELD,   /* (not a cause: how many hold memory) */
	OUTSIDE_PURGED = OUTSIDE_HELD, /* pages of slabs, given back */
	OUTSIDE_UNUSED, /* free granules, given back or never used; guards */
	OUTSIDE_CAUSES,
};

enum { OUTSIDE_CLASSES = 256, OUTSIDE_NAME_LEN = 32 };

struct outside_class {
	uint64_t size;    /* bytes of an object; 0: malloc(0) */
	uint64_t slabs, objects, live, remote, cached;
	uint64_t held, purged, resident; /* bytes */
};

enum outside_heap_kind { OUTSIDE_THREAD, OUTSIDE_LATE, OUTSIDE_IDLE };

/* A thread's slabs; or those of threads that ended. */
struct outside_heap {
	uint32_t number;
	enum outside_heap_kind kind;
	uint64_t pointer; /* the thread pointer */
	pid_t tid;        /* 0: not known */
	char name[OUTSIDE_NAME_LEN];
	uint64_t slabs, objects, live; /* of slabs */
	uint64_t live_bytes, held;
};

/* Runs of one slab or large object, or of one free granule. */
enum outside_kind {
	OUTSIDE_IS_UNUSED,
	OUTSIDE_IS_DIRTY,
	OUTSIDE_IS_SLAB,
	OUTSIDE_IS_LARGE,
	OUTSIDE_IS_TORN,
};

struct outside_run {
	uint32_t granule, count; /* where, and how many granules */
	enum outside_kind kind;
	/* A slab: */
	uint8_t  cls;
	bool     listed; /* its heap knows that it has free objects */
	uint16_t objects, live, remote, cached;
	uint32_t heap, size;
	/* bits of a mask from object to object; an object has the bit where it begins */
	uint32_t step;
	uint32_t purged; /* bytes given back */
	size_t   mask;   /* in .masks: mask_words of "live", then as many of "free, in no stack" */
	uint32_t mask_words;
};

struct outside_view {
	uint32_t version;
	uint64_t root, base;   /* addresses: of the root, of granule 0 */
	uint64_t granule;      /* bytes */
	uint64_t granules;     /* known to the heap */
	uint64_t bytes[OUTSIDE_CAUSES];
	uint64_t objects, live_objects, large_objects, slabs;
	struct outside_class classes[OUTSIDE_CLASSES];
	struct outside_heap *heaps;
	size_t heap_count, heap_cap;
	struct outside_run *runs; /* in address order, without gaps */
	size_t run_count, run_cap;
	uint64_t *masks;
	size_t mask_count, mask_cap;
	/* large objects in mappings of their own, which are in no granule */
	uint64_t mapped_objects, mapped_bytes;
	/* guarded objects, which are in no granule; the bytes of the live ones */
	uint64_t guarded_slots, guarded_live, guarded_freed, guarded_bytes;
	uint64_t torn_slabs, again; /* granules never read whole; chunks read more than once */
	uint64_t moved;             /* bytes by which the records changed while they were read */
	double   seconds;           /* that the reading took */

	/* From the kernel, of a process only. */
	bool     pages_known;
	uint64_t resident[OUTSIDE_IS_TORN + 1], resident_tables; /* bytes, by enum outside_kind */
	uint64_t rss, swapped; /* of the whole process; of the heap */
	uint64_t faults;       /* of pages, ever */
	double   cpu_seconds;  /* of the process */
	double   time;         /* when, of the monotonic clock */
};

/* A target that runs slab.  Zeroed at first. */
struct outside {
	struct memory memory;
	uint64_t root;
	char  library[128];     /* the file whose slab it is, without directories */
	int   pagemap;          /* file descriptor, or -1 */
	char  exe[128];         /* the program's file, by number: it must stay the same */
	unsigned long long started; /* when, in clock ticks: so must this */
	/* the distances from a thread pointer at which libc may keep the thread's number */
	long  tid_offset[4];
	size_t tid_offset_count;
	struct outside_tables *tables; /* what is read anew each time, kept for its room */
};

/* False: *e says in a sentence why not. */
bool outside_open_process(struct outside *o, pid_t pid, struct memory_error *e);
bool outside_open_core(struct outside *o, const char *path, struct memory_error *e);
/* The slab of this process itself. */
bool outside_open_self(struct outside *o);
void outside_close(struct outside *o);

/* Look again.  The old content of *v (zeroed at first) is replaced; false: the target has ended, or
 * cannot be understood. */
bool outside_look(struct outside *o, struct outside_view *v, struct memory_error *e);
void outside_view_drop(struct outside_view *v);
/* NULL, or the name of the rule that *v breaks. */
const char *outside_view_check(const struct outside_view *v);

/* Objects that were allocated and that were freed between two looks, at least: an object that was
 * allocated and freed in between is not seen. */
struct outside_churn {
	uint64_t allocated, freed;
};
struct outside_churn outside_churn(const struct outside_view *before,
    const struct outside_view *after);

/* The state of object i of a slab: live, available, or neither while a magazine holds it. */
static inline bool outside_bit(const struct outside_view *v, size_t mask,
    const struct outside_run *run, unsigned i)
{
	const size_t at = (size_t)i * run->step;
	return v->masks[mask + at / 64] >> at % 64 & 1;
}

static inline bool outside_is_live(const struct outside_view *v, const struct outside_run *run,
    unsigned i)
{
	return outside_bit(v, run->mask, run, i);
}

static inline bool outside_is_cached(const struct outside_view *v, const struct outside_run *run,
    unsigned i)
{
	return !outside_is_live(v, run, i) && !outside_bit(v, run->mask + run->mask_words, run, i);
}

uint64_t outside_held(const struct outside_view *v);
uint64_t outside_resident(const struct outside_view *v);
const char *outside_cause_name(enum outside_cause cause); /* "live", "large", ... as in JSON */

/* ---- between the files of outside_*.c ------------------------------------------------------- */

/* Find dmm_slab_root; sets .root and .library. */
bool outside_find(struct outside *o, struct memory_error *e);
/* Is there a root of our version at addr? 1 yes, 0 no root at all, -1 of another version or not yet
 * in use: *e says which. */
int outside_root_at(struct memory *m, uint64_t addr, struct memory_error *e);
/* The form of a root in memory: `len` bytes at `offset` from its start, which is aligned to
 * `step`. */
struct outside_mark {
	unsigned char bytes[32];
	size_t len, offset, step;
};
struct outside_mark outside_root_mark(void);

bool outside_read_slab(struct outside *o, struct outside_view *v, struct memory_error *e);
void outside_tables_drop(struct outside *o);
void outside_see_pages(struct outside *o, struct outside_view *v);
/* The process is the one that was opened; the first call says which that is. */
bool outside_is_same(struct outside *o, struct memory_error *e);
void outside_name_threads(struct outside *o, struct outside_view *v);

struct outside_heap *outside_heap_of(struct outside_view *v, uint32_t number); /* NULL: none */
/* Append a copy of run, or lengthen the last run where both are free granules of one kind. */
void outside_add_run(struct outside_view *v, const struct outside_run *run);
/* Append a heap, all zero.  The pointer is valid until the next one is added. */
struct outside_heap *outside_add_heap(struct outside_view *v);
/* A range of slab's tables, for outside_see_pages(). */
struct outside_range {
	uint64_t start, end;
};
enum { OUTSIDE_RANGES = 4096 };
/* The same of large objects in mappings of their own. */
size_t outside_mapped_ranges(struct outside *o, struct outside_range *ranges, size_t most);
size_t outside_table_ranges(struct outside *o, struct outside_range *ranges, size_t most);

#endif
