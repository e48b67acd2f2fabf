/* root.h - the shape of the heap in memory, and its one root: exported, versioned, and all that an
 * outside reader needs (dmm top, dmm show --pid, dmm show --core).
 *
 *   base of the reservation                                                       its end
 *     | chunks | bins | heaps |g| slabs ......... |g| remote ....... |g| payload ............ |
 *                                                                      ^ root.base
 *   chunks    struct chunk, one per 2 MiB of payload: which of its 128 granules are free, which dirty
 *   bins      where the page heap finds a chunk with a long enough free run
 *   heaps     struct heap, one per thread: the lists of its slabs
 *   slabs     struct slab, one per granule: what the granule is, and which of its objects are free
 *   remote    64-bit masks of what other threads freed, 16 words per granule
 *   g         inaccessible pages; payload starts with one such granule as well
 *
 * No byte of this lies in payload, so nothing that a program writes there can change it, and any page
 * without a live object can be given back.  A free bit is exact at every moment: 1 = free, 0 = live.
 * There is no cache of objects that an outside reader would have to know about.
 *
 * Who may write:
 *   root          page_lock, but heaps and heap_count: heaps_lock; base, len and the tables: page_lock
 *   struct chunk  page_lock
 *   struct slab   what is said at its fields
 *   struct heap   its lock, but inbox: anybody, atomically
 * Lock order: heaps_lock, then a heap's lock (a thread's own, or one at a time), then the orphans' lock,
 * then page_lock.
 */
#ifndef SLAB_ROOT_H
#define SLAB_ROOT_H

#include <stdatomic.h>

#include "base/lock.h"
#include "dmm_system.h"
#include "slab/size_class.h"

enum {
	ROOT_VERSION = 1,
	GRANULE = 1 << 14,     /* bytes; the unit of slabs and runs */
	GRANULE_SHIFT = 14,
	CHUNK_GRANULES = 128,  /* 2 MiB: one huge page */
	CHUNK_SHIFT = 7,       /* granules to chunks */
	MASK_WORDS = 16,       /* a granule of 16-byte objects */
	CHUNKS_MAX = 1 << 18,  /* 512 GiB of payload */
	HEAPS_MAX = 1 << 16,
	HEAP_ORPHANS = 1,      /* slabs of threads that ended */
	HEAP_LATE = 2,         /* for what is asked of us after a thread's end */
	HEAP_FIRST = 3,        /* of the threads' heaps */
	RUN_BINS = 14,
};
static_assert(1 << GRANULE_SHIFT == GRANULE, "two names of one number");
static_assert(MASK_WORDS * 64 * MAX_ALIGN == GRANULE, "a bit for the smallest object");
static_assert((uint64_t)CHUNK_GRANULES * GRANULE == HUGE_PAGE_SIZE, "a chunk is a huge page");

enum granule_kind {
	GRANULE_NONE = 0, /* never used since its page of metadata was fresh, or inside a run */
	GRANULE_SLAB,     /* first granule of a slab */
	GRANULE_REST,     /* further granule of a slab: .head is the first */
	GRANULE_RUN,      /* first granule of a run: one large object */
	GRANULE_FREED,    /* was a slab's first, or a run's, and keeps its size for the message */
};

enum slab_state {
	SLAB_FULL,    /* in no list: at most a few of its objects are free */
	SLAB_PARTIAL, /* in its heap's list of the class */
	SLAB_CURRENT, /* the thread allocates from it without a lock */
};

/* owner: the thread pointer of the only thread that may change .free, with OWNER_REMOTE set while the
 * slab is, or is about to be, in its heap's inbox; or one of these. */
#define OWNER_NONE   ((uintptr_t)0) /* not a slab */
#define OWNER_ORPHAN ((uintptr_t)2) /* its thread has ended; whoever frees into it or needs it adopts it */
#define OWNER_REMOTE ((uintptr_t)1)

struct slab {
	/* What a hit needs is in one cache line, for slabs of up to 256 objects. */
	_Atomic uintptr_t owner;
	char    *start;     /* of object 0 */
	uint32_t inverse;   /* of the class */
	uint32_t countdown; /* owner: frees until somebody must look (relist, release, re-arm) */
	uint32_t size;      /* bytes from object to object */
	uint16_t count;     /* objects */
	uint8_t  cls;       /* CLASS_RUN: not a slab */
	uint8_t  hot;       /* owner: the word of free in which the last free was */
	_Atomic uint64_t free[MASK_WORDS]; /* written by the owner alone */

	uint32_t next, prev;         /* partial list of the heap, a ring; granule numbers */
	uint32_t own_next, own_prev; /* all slabs of the heap; 0: none */
	uint32_t inbox_next;  /* whoever set OWNER_REMOTE; then who drains the inbox */
	union {
		uint32_t head;   /* GRANULE_REST */
		uint32_t run;    /* GRANULE_RUN: its granules */
		uint32_t purged; /* GRANULE_SLAB: pages given back, a bit for each 4 KiB or larger share */
	};
	_Atomic uint8_t kind; /* enum granule_kind */
	uint8_t  state;      /* enum slab_state; heap's lock */
	uint16_t heap;       /* number of the heap; its lock */
	uint16_t seen_free;  /* purger: free objects when it last looked */
	uint8_t  granules;
	uint8_t  reserved;
};
static_assert(sizeof(struct slab) == 192, "three cache lines");

struct chunk {
	uint64_t free[2];  /* a bit a granule: not part of a slab or run */
	uint64_t dirty[2]; /* of them: may hold old data, and memory */
	uint32_t epoch;    /* when a run was last given or taken */
	uint8_t  free_bin, dirty_bin;
	uint8_t  huge;     /* advised */
	uint8_t  reserved;
};

/* Bitmaps over chunks, one per kind and bin, interleaved so that a small heap touches one page. */
struct bin_words {
	uint64_t bin[2][RUN_BINS]; /* [dirty or not] */
};

struct heap {
	struct lock lock;
	uint32_t own;            /* first of all its slabs */
	_Atomic uint32_t inbox;  /* slabs into which others have freed; 0: none */
	uint32_t next_unused;    /* in root.unused, a heap number; 0: none */
	uintptr_t owner;         /* thread pointer; OWNER_NONE: unused */
	uint32_t partial_granules;
	uint32_t partial[CLASS_MAX]; /* oldest slab with free objects */
	uint64_t reserved[2];
};

struct slab_root {
	/* The hit path reads these, and they change only when the heap grows. */
	uintptr_t base;      /* payload */
	_Atomic size_t len;  /* bytes of payload whose metadata may be read */
	struct slab *slabs;  /* [granule] */
	_Atomic uint64_t (*remote)[MASK_WORDS]; /* [granule] */

	uint32_t version;    /* ROOT_VERSION */
	uint32_t slab_bytes, chunk_bytes, heap_bytes; /* sizes of the structs, for outside readers */
	uint32_t granule, chunk_granules;

	__attribute__((aligned(CACHE_LINE))) struct lock page_lock, heaps_lock;
	struct chunk *chunks;
	struct bin_words *bins;      /* [chunk / 64]: a bit per chunk */
	struct bin_words middle[CHUNKS_MAX / 64 / 64], top; /* a bit per word of the level below */
	struct heap *heaps;          /* [heap_count]; 0: none */
	uint32_t heap_count, unused; /* unused: first of the heaps without a thread */
	uint32_t chunk_count;        /* that the page heap may use */
	uint32_t chunk_limit;        /* that the reservation holds */
	uint32_t chunk_ready, meta_ready; /* chunks whose payload, whose metadata is accessible */
	size_t   used;               /* granules in slabs and runs */
	size_t   dirty;              /* granules free and dirty */
	uint32_t epoch;
	void    *reservation;
	size_t   reservation_len;
	const struct dmm_os *os;
};

/* Hidden for us, exported as dmm_slab_root. */
extern struct slab_root root;
extern struct slab no_slab; /* root.slabs before the start: nothing free in it */

static inline struct slab *slab_at(size_t granule)
{
	return &root.slabs[granule];
}

static inline uint32_t granule_of(const struct slab *s)
{
	return (uint32_t)(s - root.slabs);
}

static inline char *granule_address(uint32_t granule)
{
	return (char *)(root.base + ((size_t)granule << GRANULE_SHIFT));
}

static inline struct heap *orphans(void)
{
	return &root.heaps[HEAP_ORPHANS];
}

#endif
