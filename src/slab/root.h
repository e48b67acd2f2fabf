/* root.h - the shape of the heap in memory, and its one root: exported, versioned, and all that an
 * outside reader needs (dmm top, dmm show --pid, dmm show --core).
 *
 * The heap has a window of addresses, chosen at random when the process starts.  Nothing in it is
 * mapped before it is needed, so that the window costs nothing: window.h maps tables and payload at
 * their places as the heap grows.
 *
 * <-- avail |..| pool |..| live -->  ..  marks --> ... <-- slabs |..| tags --> ... |g| payload -->
 *     \_________ one 2 MiB ________/                  \___ one 2 MiB ___/
 *
 *   avail     a bit for every 16 bytes of payload: this object is free and in no magazine.  Grows
 *             downwards.
 *   pool      what is reached through pointers: blocks of struct slab_chunk, and the threads' heaps
 *             with their magazines of free objects.  When it is full, the pool goes on in mappings
 *             elsewhere.
 *   live      a bit for every 16 bytes of payload: an object begins here that the owner gave out
 *   marks     the same: another thread freed this object; its owner has not collected it yet
 *   slabs     struct slab, one per granule: what the granule is.  Grows downwards.
 *   tags      32 bits a granule: whose it is, and which class
 *   payload   objects.  Its first granule (g) is never mapped.
 *   ..        distances drawn at random, unmapped: an access there ends the program
 *
 * Two tables that grow apart have their beginnings side by side, so that a small heap needs few
 * pages of page tables.  An object is live iff its bit in `live` is set and its bit in `marks` is
 * not.  No byte of the tables lies in payload, so nothing that a program writes there can change
 * it, and any page without a live object can be given back.
 *
 * A chunk of payload is mapped, or not any more (CHUNK_ABSENT: it was free and went back), or it
 * never will be, since another mapping lies there (CHUNK_FOREIGN).
 *
 * Who may write:
 *   root          page_lock, but heaps, heap_count: heaps_lock; kept: a heap's lock, atomically;
 *                 marked, single_most, alone_below: everybody; huge_dear_until and the
 *                 five beside it: advice_lock
 *   struct slab_chunk  page_lock
 *   tags          the heap's lock, but TAG_REMOTE: everybody, atomically
 *   live          the owner; of a slab without owner, who holds the heap's lock
 *   avail, slab   the heap's lock
 *   marks         everybody sets bits atomically; who holds the heap's lock clears them
 *   magazines     their thread; of a heap without a thread, who holds its lock
 *   struct slab_heap   its lock, but inbox: everybody, atomically; waiting, until the first look
 *                      in a child of fork: inbox_lock; next_unused, taker, orphan: heaps_lock
 * Lock order: start_lock, fallback_lock, heaps_lock, purge_lock, heaps' locks by
 * number, inbox_lock, waiting_lock, page_lock, advice_lock, mapped_lock, the locks of
 * guarded.c and profile.c, window_lock.
 *
 * Who calls whom, top first; a file calls those in its own row and below:
 *
 *   interface       fast.h alloc remote_hit.h hardened system fork canary_fork perturb origin room
 *                   walk measure
 *   large objects   large guard_large
 *   an address      place mapped guarded guarded_report          (1)
 *   threads         init thread                                  (2)
 *   caches          thread_cache purger hardened_cache purge     (3)
 *   heaps           profile profile_draw heap remote orphan      (4)
 *   slabs           slab quarantine misuse canary
 *   pages           page_heap page_purge chunks payload huge_page window predict
 *   constants       root settings size_class
 *
 * Four circles of calls remain in rows, since the functions need each other, and
 * tools/tidy knows them:
 *   (1) place.c asks mapped.c and guarded.c what lies at an address; they ask place.c for the line
 *       about a bad one
 *   (2) init.c starts the first thread's heap; a thread's first call may be the first of all, so
 *       thread.c calls init.c
 *   (3) thread_cache.c tells purger.c of a fall; purger.c empties the calling thread's magazines in
 *       thread_cache.c
 *   (4) heap.c drains an inbox that remote.c fills; remote.c has heap.c drain that of a heap
 *       without a thread
 */
#ifndef SLAB_ROOT_H
#define SLAB_ROOT_H

#include <stdatomic.h>

#include "base/bits.h"
#include "base/lock.h"
#include "dmm_system.h"
#include "slab/predict.h"
#include "slab/size_class.h"

enum {
	ROOT_VERSION = 16,
	UNIT_SHIFT = 4,        /* 16 bytes: every object begins at a multiple */
	WORD_SHIFT = 10,       /* 1 KiB: 64 units, a word of live and avail */
	WORD_BYTES = 1 << WORD_SHIFT,
	GRANULE = 1 << 14,     /* bytes; the unit of slabs and runs */
	GRANULE_SHIFT = 14,
	GRANULE_WORDS = 16,
	CHUNK_GRANULES = 128,  /* 2 MiB: one huge page */
	CHUNK_SHIFT = 7,       /* granules to chunks */
	CHUNKS_MAX = 1 << 18,  /* 512 GiB of payload */
	BLOCK_CHUNKS = 64,     /* the records of so many chunks are allocated together */
	HEAPS_MAX = 1 << 14,   /* threads at once with heaps of their own */
	/* the fallback heap: for requests before a thread's first heap or after its last */
	HEAP_FALLBACK = 1,
	HEAP_FIRST = 2,        /* of the threads' heaps */
	RUN_BINS = 14,         /* of free runs inside a chunk: page_heap.c */
	ROW_BINS = 20,         /* of rows of chunks that are all free */
	/* bytes of the magazine that a class begins with: those of all classes lie in three
	 * pages */
	MAGAZINE_SMALL_BYTES = 2 * 64,
	/* bytes of a large one: an odd number of cache lines, so that the magazines of all classes,
	 * whose lower ends are used most, share no set of the cache */
	MAGAZINE_BYTES = 33 * 64,
	/* a NULL below each, which is never written */
	MAGAZINE_SMALL_OBJECTS = MAGAZINE_SMALL_BYTES / 8 - 1,
	MAGAZINE_LARGE_OBJECTS = 255,
	/* bytes of a wide one; also an odd number of lines */
	MAGAZINE_WIDE_BYTES = 145 * 64,
	/* So a program that gives back up to 1,023 objects at a time, and asks for them again,
	 * needs no refill, also when the last one left almost a batch of 128. */
	MAGAZINE_OBJECTS_MAX = 1023 + 128,
	/* magazine_bytes holds more than 255 objects of these classes, of up to 240 bytes */
	WIDE_CLASSES = 240 / 16 + 1,
	PURGE_UNIT = 4096,     /* bytes: the purger gives back whole units of slabs */
};
static_assert(1 << GRANULE_SHIFT == GRANULE, "two names of one number");
static_assert(1 << UNIT_SHIFT == MAX_ALIGN, "a bit for the smallest object");
static_assert((uint64_t)CHUNK_GRANULES * GRANULE == HUGE_PAGE_SIZE, "a chunk is a huge page");

enum granule_kind {
	GRANULE_NONE = 0, /* never used since its page of metadata was new, or inside a run */
	GRANULE_SLAB,     /* first granule of a slab */
	GRANULE_REST,     /* a further granule of a slab: .head is the first */
	GRANULE_RUN,      /* the first granule of a run: one large object */
	GRANULE_FREED,    /* was the first of a slab or run, and keeps its size for the message */
	GRANULE_FREED_REST, /* was a further granule of a slab: .head was the first */
	GRANULE_GUARD,    /* hardened: inaccessible, before the slab that begins at .head */
};

/* A tag: the number of the heap that owns the slab, and the class as the place of its magazine in a
 * thread's cache.  Heap 0: no slab; TAG_CLOSED: no longer.  A tag without its heap's number is that
 * place, so that one exclusive or and one comparison tell whether a granule is ours, and which
 * magazine it feeds. */
#define TAG_HEAP_SHIFT 16
/* other threads freed into it: it is in its heap's inbox, or about to be */
#define TAG_REMOTE     (1u << 31)
/* a magazine that still holds an object of the closed slab finds no heap there */
#define TAG_CLOSED     TAG_REMOTE
enum {
	TAG_MAGAZINE = 16, /* sizeof(struct magazine) */
	PLACE_NONE = (CLASS_MAX - 1) * TAG_MAGAZINE, /* of a class that does not exist */
};

enum marked {
	MARKED_NOT, /* no thread ever freed an object of another heap */
	MARKED,
	/* in a child of fork() before remote_rebuild() made its inboxes anew */
	MARKED_FORKED,
};

/* Is a slab in its heap's list of the class? */
enum slab_listed {
	LISTED_NOT,  /* no object in avail */
	LISTED,      /* some */
	/* all are available: kept while it is the only one in the list, until the purger finds it
	 * idle */
	LISTED_KEPT,
	/* in no list while its pages are given back: no thread takes from it, lists it or closes
	 * it */
	LISTED_PURGING,
};

struct slab {
	uint32_t next, prev;  /* partial list of the heap, a ring; granule numbers */
	uint32_t inbox_next;  /* written by the thread that set TAG_REMOTE; then by the drainer */
	union {
		uint32_t head;   /* GRANULE_REST, GRANULE_FREED_REST, GRANULE_GUARD */
		uint32_t run;    /* GRANULE_RUN: its granules */
		uint32_t purged; /* GRANULE_SLAB: pages given back, a bit for each PURGE_UNIT */
	};
	uint32_t size;        /* bytes from object to object */
	uint16_t count;       /* objects */
	uint16_t avail;       /* of them in avail */
	_Atomic uint8_t kind; /* enum granule_kind */
	uint8_t  cls;         /* CLASS_RUN: not a slab */
	uint8_t  granules;
	uint8_t  listed;      /* enum slab_listed */
	uint16_t heap;        /* number of the heap */
	union {
		/* GRANULE_SLAB, purger: the objects in avail or marks when it last looked */
		uint16_t seen_avail;
		bool zeroed;         /* GRANULE_RUN: calloc gave it out */
	};
};
static_assert(sizeof(struct slab) == 32, "two to a cache line");
static_assert(SLAB_GRANULES_MAX * GRANULE / PURGE_UNIT == 32, "a bit each in purged");

/* Is the chunk advised to be backed by a huge page? */
enum chunk_huge {
	HUGE_NOT,
	HUGE_ADVISED,
	/* no longer: parts of it were given back, and the kernel would fill them again */
	HUGE_REVOKED,
	/* not yet: all of it was given back, and its next touch makes it a huge page */
	HUGE_ANEW,
};

enum chunk_state {
	/* mapped: .mapped granules from its first one, of which
	 * granule 0 is none */
	CHUNK_HERE,
	CHUNK_ABSENT,  /* all free, and unmapped since it was given back */
	CHUNK_FOREIGN, /* never to be used: a foreign mapping lies there */
};

struct slab_chunk {
	uint64_t free[2];  /* one bit for each granule: not part of a slab or run */
	uint64_t dirty[2]; /* of the free ones: may hold old data, and may be resident */
	uint32_t epoch;    /* when a run was last given or taken */
	/* chunks in a row that are all free: noted in the first and in the last of them */
	uint32_t row;
	uint8_t  free_bin, dirty_bin;
	uint8_t  huge;     /* enum chunk_huge */
	bool     claimed;  /* the purger has claimed the dirty granules, and will give them back */
	uint8_t  state;    /* enum chunk_state */
	uint8_t  mapped;   /* granules */
	/* Of the dirty granules: MISSING_UNITs that slabs had given back before they were closed,
	 * about: as if they were spread evenly. */
	uint8_t  missing;
	/* parts were given back since all of it last was: it is no huge page now */
	bool     holed : 1;
	bool     stuck : 1; /* no more of it will be mapped, since a foreign mapping follows */
};
static_assert(sizeof(struct slab_chunk) == 48, "no larger than need be");
enum { MISSING_UNIT = GRANULE / 2 };

/* Bitmaps over chunks, one per kind and bin, interleaved so that a small heap touches one page. */
struct bin_words {
	union {
		struct {
			uint64_t bin[2][RUN_BINS]; /* [dirty or not] */
			/* first chunks of rows: by the length of the row, and of all rows */
			uint64_t row[ROW_BINS + 1];
		};
		uint64_t all[2 * RUN_BINS + ROW_BINS + 1];
	};
};

/* The records of BLOCK_CHUNKS chunks. */
struct chunk_block {
	struct slab_chunk chunk[BLOCK_CHUNKS];
	struct bin_words bins;
};

/* The tables that grow with payload, and the pool: the start and the mapped length of each. */
enum table_kind {
	TABLE_AVAIL,
	TABLE_POOL,
	TABLE_LIVE,
	TABLE_MARKS,
	TABLE_SLABS,
	TABLE_TAGS,
	TABLES
};
struct table_range {
	uintptr_t start;  /* of a table that grows downwards, the address after its first record */
	size_t    mapped; /* bytes */
};

/* A mapping in which the pool continues; next: 0 ends the list. */
struct pool_segment {
	struct pool_segment *next;
	size_t len; /* bytes, this head among them */
};

/* An object in a mapping of its own (mapped.h). */
struct mapped_object {
	uintptr_t start;
	size_t    len; /* bytes, whole pages, without guards */
};

struct thread_cache;
struct guarded;
struct profile_head;

struct slab_heap {
	struct lock lock;
	uint32_t number;
	_Atomic uint32_t inbox;     /* slabs into which other threads freed; 0: none */
	/* slabs that went from the inbox here, to be looked at before those that are there now;
	 * 0: none, as while the heap has no thread */
	uint32_t waiting;
	_Atomic uint32_t pushes;    /* flags raised, most with a push into the inbox, ever */
	uint32_t looked;            /* pushes, when the owner last searched the inbox */
	uint32_t next_unused;       /* in root.unused, a heap number; 0: none */
	uint32_t partial_granules;
	struct thread_cache *owner; /* the cache of its thread; NULL: it has none */
	uintptr_t thread;           /* that thread's pointer, for outside readers */
	/* lock_self() of the thread that took it from root.unused; else 0 */
	uintptr_t taker;
	_Atomic bool orphan;        /* orphan.h */
	uint32_t partial[CLASS_MAX]; /* oldest slab with objects in avail */
	uint16_t room[CLASS_MAX];   /* of the magazine when it was last filled; 0: never */
	/* Objects that flushes of the full magazine put back since it was last filled, at most
	 * UINT16_MAX, and as many as that had become when it was filled after a flush. */
	uint16_t flushed[CLASS_MAX], swing[CLASS_MAX];
	/* Bytes that went from magazines to slabs, less those that were taken again, since the
	 * pages of its slabs were looked at; never below 0. */
	size_t   fallen;
	size_t   partial_live;      /* live bytes in partly empty slabs at that time */
	uint32_t looks;             /* while it was sparse */
	/* bytes that had fallen when its pages went, in the last fall of all heaps (predict.h);
	 * when they last went */
	size_t   given;
	uint64_t given_at;
	struct low_water pages;     /* of `fallen`: purge_pages_keep() */
};

/* A heap lies at the start of its place in the pool; the small magazines of all classes follow it,
 * then the large ones, then the wide ones. */
enum {
	HEAP_HEAD = (sizeof(struct slab_heap) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
	HEAP_MAGAZINES_BYTES = CLASS_MAX * (MAGAZINE_SMALL_BYTES + MAGAZINE_BYTES) +
	                       WIDE_CLASSES * MAGAZINE_WIDE_BYTES,
	HEAP_BYTES = (HEAP_HEAD + HEAP_MAGAZINES_BYTES + 4095) / 4096 * 4096,
};

struct slab_root {
	/* The fast path reads these, and they change only when the heap grows. */
	uintptr_t base;         /* payload */
	/* units of payload whose metadata may be read; grows atomically */
	size_t   units;
	_Atomic uint32_t *tags; /* [granule] */
	_Atomic uint64_t *live; /* [address >> WORD_SHIFT], of the whole address: no subtraction */
	_Atomic uint64_t *avail; /* [- (address >> WORD_SHIFT)] */
	struct slab *slabs;     /* [- granule] */
	_Atomic uint64_t *marks; /* [address >> WORD_SHIFT] */
	_Atomic uint32_t *tags_by_address; /* [address >> GRANULE_SHIFT]: tags */
	uint8_t  marked;       /* enum marked: is any word of marks in use? Changed atomically */
	/* While `marked` is MARKED, the place of the last class whose slabs have one granule, as do
	 * those of all classes before; else 0 (remote.h) */
	uint32_t single_most;
	/* SMALL_MAX + 1 while `marked` is MARKED_NOT, then 0: malloc of less does not look at
	 * marks */
	size_t   alone_below;

	uint32_t version;    /* ROOT_VERSION */
	/* sizes of the structs, for outside readers */
	uint32_t slab_bytes, chunk_bytes, heap_bytes;
	uint32_t granule, chunk_granules, heap_head, classes; /* heap_head: HEAP_HEAD */
	const struct size_class *class_table;

	__attribute__((aligned(CACHE_LINE))) struct lock page_lock, heaps_lock;
	struct chunk_block **blocks; /* [chunk / BLOCK_CHUNKS] */
	/* one bit for each word of the level below; in a block: for each chunk */
	struct bin_words middle[CHUNKS_MAX / 64 / 64], top;
	struct slab_heap **heaps;         /* [heap_count]; 0: none */
	uint32_t heap_count, unused; /* unused: first of the heaps without a thread */
	uint32_t heap_limit;         /* HEAPS_MAX, but in tests */
	_Atomic uint32_t orphans;    /* heaps that are orphans (orphan.h) */
	uint32_t chunk_count;        /* that the page heap knows */
	uint32_t chunk_limit;        /* for which the window has room */
	uint32_t meta_ready;         /* chunks whose metadata is mapped */
	/* chunks that are CHUNK_ABSENT: each is a gap between two mappings */
	uint32_t absent_rows;
	uint32_t chunks_revoked;     /* that are HUGE_REVOKED */
	/* ns by the os's clock until which slab uses no huge pages; 0: they are not expensive */
	_Atomic uint64_t huge_dear_until;
	uint64_t huge_dear_at, huge_cheap_at; /* the last that was, or was not */
	uint64_t huge_cheap_until;   /* huge pages are expected to be cheap */
	/* ns until which slab copies no chunks into huge pages, and searches for none */
	_Atomic uint64_t no_collapse_until, no_search_until;
	size_t   used;               /* granules in slabs and runs */
	size_t   dirty;              /* granules free and dirty */
	_Atomic size_t kept;         /* granules of slabs that are LISTED_KEPT */
	/* granules of runs in quarantine (guard_large.h): addresses without memory */
	_Atomic size_t waiting;
	uint32_t epoch;
	size_t   payload_mapped;     /* bytes */
	struct table_range table[TABLES];
	struct pool_segment *segments;
	uintptr_t window;            /* addresses */
	size_t   window_len;
	const struct dmm_os *os;
	/* Guarded objects, which lie elsewhere (guarded.h): a note for each slot, and the
	 * slots; 0: none yet. */
	struct guarded *guarded_notes;
	char    *guarded_slots;
	uint32_t guarded_count, guarded_bytes; /* slots; of a note */
	/* [mapped_count], in address order; 0: none yet; mapped_lock */
	struct mapped_object *mapped;
	uint32_t mapped_count, mapped_room;
	size_t   mapped_bytes; /* of these objects */
	struct profile_head *profile; /* profile.h; 0: no profile is taken */
	uint32_t profile_heap; /* the heap of its samples, which no thread owns; 0: none */
};

/* Hidden for us, exported as dmm_slab_root. */
extern HIDDEN struct slab_root root;

extern struct lock start_lock; /* held while slab starts; taken before all others */
/* The purger holds it while the pages that it gives back are in no list: a child of fork() would
 * lose them. */
extern struct lock purge_lock;

/* Fields under page_lock may be changed by its owner, and by the thread that starts slab. */
static inline bool page_lock_held(void)
{
	return lock_held(&root.page_lock) || lock_held(&start_lock);
}

/* Granules in slabs and runs that may have memory. */
static inline size_t used_granules(void)
{
	const size_t used = __atomic_load_n(&root.used, __ATOMIC_RELAXED);
	return used - min_size(used, atomic_load_explicit(&root.waiting, memory_order_relaxed));
}

static inline struct slab *slab_at(size_t granule)
{
	return root.slabs - granule;
}

static inline uint32_t granule_of(const struct slab *s)
{
	return (uint32_t)(root.slabs - s);
}

static inline struct slab_chunk *chunk_at(uint32_t chunk)
{
	return &root.blocks[chunk / BLOCK_CHUNKS]->chunk[chunk % BLOCK_CHUNKS];
}

/* Of 64 chunks. */
static inline struct bin_words *bins_at(uint32_t word)
{
	return &root.blocks[word]->bins;
}

static inline struct slab_heap *heap_at(uint32_t number)
{
	return root.heaps[number];
}

static inline uint32_t heap_number(const struct slab_heap *h)
{
	return h->number;
}

/* The owner changes under the heap's lock; remote_settle_for() reads it without. */
static inline struct thread_cache *heap_owner(const struct slab_heap *h)
{
	return __atomic_load_n(&h->owner, __ATOMIC_RELAXED);
}

static inline void heap_set_owner(struct slab_heap *h, struct thread_cache *owner)
{
	__atomic_store_n(&h->owner, owner, __ATOMIC_RELAXED);
}

static inline bool table_grows_down(enum table_kind t)
{
	return t == TABLE_AVAIL || t == TABLE_SLABS;
}

/* The address of the lowest mapped byte of a table that grows downwards. */
static inline uintptr_t table_address(enum table_kind t)
{
	const struct table_range *const r = &root.table[t];
	return table_grows_down(t) ? r->start - r->mapped : r->start;
}

static inline char *granule_address(uint32_t granule)
{
	return (char *)(root.base + ((size_t)granule << GRANULE_SHIFT));
}

static inline uint32_t tag_of(unsigned heap, unsigned cls)
{
	return heap << TAG_HEAP_SHIFT | cls * TAG_MAGAZINE;
}

static inline unsigned tag_heap(uint32_t tag)
{
	return (tag & ~TAG_REMOTE) >> TAG_HEAP_SHIFT;
}

static inline unsigned tag_class(uint32_t tag)
{
	return (tag & ((1u << TAG_HEAP_SHIFT) - 1)) / TAG_MAGAZINE;
}

#endif
