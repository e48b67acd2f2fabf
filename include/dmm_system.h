/* dmm_system.h - the interface of a memory manager ("system"), and of what it stands on.
 *
 *      program        malloc free calloc realloc aligned_alloc ...     src/interpose
 *         |
 *      heap           calloc, realloc, errno, over-alignment, lock     src/system/heap.h
 *         |
 *      dmm_system     alloc free resize usable walk check              this page: one per design
 *         |
 *      dmm_os         break, mappings, advice, clock           this page: real, simulated, failing
 *
 * A system is a table of functions over a state that the caller owns, so that many heaps of many
 * designs can live in one process.  Nothing here is thread-safe unless the system has the trait
 * DMM_THREADS: the heap layer takes one lock around each call.
 */
#ifndef DMM_SYSTEM_H
#define DMM_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised when a struct of this page changes; `abi` of a loaded system must be equal. */
#define DMM_SYSTEM_ABI 2u

/* Every payload is aligned to this, as the x86-64 psABI asks of malloc. */
#define DMM_ALIGN_MIN ((size_t)16)

/* No object is larger: the difference of two pointers into it must fit ptrdiff_t. */
#define DMM_SIZE_MAX ((size_t)PTRDIFF_MAX)

/* ---- what a system stands on ------------------------------------------------------------- */

enum dmm_advice {
	DMM_ADVICE_HUGE,     /* back [p, p+len) with huge pages where the kernel can */
	DMM_ADVICE_NOHUGE,   /* and stop doing so */
	DMM_ADVICE_COLLAPSE, /* and put what is there already into huge pages now */
	DMM_ADVICE_POPULATE, /* give [p, p+len) its memory now, as a write to each page would */
	/* give the memory back; an access to [p, p+len) is a SIGSEGV */
	DMM_ADVICE_GUARD,
	DMM_ADVICE_UNGUARD,  /* end that: [p, p+len) reads as zero */
};

enum dmm_touched {
	DMM_TOUCHED_NO,     /* perhaps not */
	DMM_TOUCHED_LIKELY, /* it reads as zero, and fast */
	DMM_TOUCHED_SURELY, /* it is not zero */
};

enum dmm_protect { DMM_PROTECT_NONE, DMM_PROTECT_READ, DMM_PROTECT_RW };

/* The operating system as a value.  Lengths and addresses are whole pages unless said otherwise.
 * Functions that return int give 0 or a negative errno; functions that return a pointer give NULL
 * when the request was refused.  No function sets errno. */
struct dmm_os {
	const char *name;
	void       *ctx;  /* passed back as the first argument of every function */
	size_t      page; /* bytes in a page */

	/* The heap section: its end ("program break"; any byte address), and moving it.
	 * Others may move it too: ask before every growth.  NULL: there is no heap section. */
	void *(*brk_get)(void *ctx);
	int (*brk_set)(void *ctx, void *to);

	/* New zeroed pages, readable and writable, aligned to `align` (a power of two >= page). */
	void *(*map)(void *ctx, size_t len, size_t align);
	/* Address space without the right to use it; protect() to DMM_PROTECT_RW makes it
	 * usable. */
	void *(*reserve)(void *ctx, size_t len, size_t align);
	int (*unmap)(void *ctx, void *p, size_t len);
	/* Change the length of a whole mapping, moving it if need be; NULL leaves it as it was. */
	void *(*remap)(void *ctx, void *p, size_t old_len, size_t len);
	int (*protect)(void *ctx, void *p, size_t len, enum dmm_protect how);
	/* Give the memory behind [p, p+len) back; the addresses stay and read as zero. */
	int (*purge)(void *ctx, void *p, size_t len);
	int (*advise)(void *ctx, void *p, size_t len, enum dmm_advice what);

	uint64_t (*now_ns)(void *ctx); /* monotonic clock */

	/* Move the pages behind [from, from + len) to `to`, both mapped: what lay there is lost,
	 * and `from` reads as zero afterwards.  -errno: nothing changed at `from`, the caller may
	 * copy; -EFAULT: it may work in parts; but -ENXIO: nothing is mapped at `to` any more, or
	 * not by us.  May be NULL. */
	int (*move)(void *ctx, void *from, void *to, size_t len);

	/* Is there memory behind the word at p (4 bytes, aligned)?  The first look at a page
	 * counts.  NO also where it may not be read.  May be NULL: nobody knows. */
	enum dmm_touched (*touched)(void *ctx, const void *p);

	/* Addresses at which nothing lies, as far as is known, and the system puts nothing by
	 * itself: `len` bytes, aligned to `align`.  Nothing is mapped by that; another call names
	 * other addresses, or the same.  NULL: there are none.  May be NULL, and map_at as well:
	 * mappings lie where the system wants them. */
	void *(*window)(void *ctx, size_t len, size_t align);
	/* New zeroed pages, readable and writable, at p and nowhere else; unmap() gives them back.
	 * 1: the system has filled them with memory at once, as it does after mlockall(MCL_FUTURE),
	 * and does so every time; it need not be told of a few pages.  -EEXIST: something lies
	 * there; -ENOMEM. */
	int (*map_at)(void *ctx, void *p, size_t len);
	/* A number that nobody can foresee.  May be NULL: all shall be the same each time. */
	uint64_t (*random)(void *ctx);
};

/* ---- the techniques of the appendix ------------------------------------------------------- */

enum dmm_fit { DMM_FIT_FIRST, DMM_FIT_NEXT, DMM_FIT_BEST, DMM_FIT_ADDRESS };
enum dmm_coalesce { DMM_COALESCE_NOW, DMM_COALESCE_DEFERRED };
enum dmm_reuse {
	DMM_REUSE_NONE,   /* 32 bytes an object: status|size and next, size and prev, as taught */
	DMM_REUSE_LINKS,  /* 16: next and prev live in the payload of free chunks */
	DMM_REUSE_FOOTER, /* 8: and a live chunk has no footer either */
};
enum dmm_spacing { DMM_SPACING_EXACT, DMM_SPACING_GEOMETRIC };

/* One bit per key, for dmm_system.options: which of the fields below a system honours. */
enum dmm_option {
	DMM_OPT_FIT            = 1u << 0,
	DMM_OPT_SPLIT_MIN      = 1u << 1,
	DMM_OPT_COALESCE       = 1u << 2,
	DMM_OPT_FOOTER         = 1u << 3,
	DMM_OPT_REUSE          = 1u << 4,
	DMM_OPT_BIN_SPACING    = 1u << 5,
	DMM_OPT_MMAP_THRESHOLD = 1u << 6,
	DMM_OPT_TRIM_THRESHOLD = 1u << 7,
	DMM_OPT_GROW_MIN       = 1u << 8,
	DMM_OPT_MIN_CHUNK      = 1u << 9,
	DMM_OPT_RUNS           = 1u << 10,
};

/* The keys of DMM_CONF have the names of these fields. */
struct dmm_params {
	enum dmm_fit      fit;
	/* split only if the remainder has at least this many bytes; 0: if it can be a chunk */
	size_t split_min;
	enum dmm_coalesce coalesce;
	/* chunks that may wait before a merge is forced (key: coalesce:N) */
	size_t            deferred_max;
	/* check the live footer's redundant size: error detector */
	bool              footer;
	enum dmm_reuse    reuse;
	enum dmm_spacing  bin_spacing;
	/* bytes; from here on a chunk gets a mapping of its own; SIZE_MAX: never */
	size_t            mmap_threshold;
	/* the threshold follows what is freed (key: mmap_threshold:adaptive) */
	bool              mmap_adaptive;
	/* bytes free at the heap's top that are given back; SIZE_MAX: never */
	size_t            trim_threshold;
	size_t            grow_min;       /* bytes, the least growth of the heap section */
	/* bytes, 16; 0: as many as links and footer need (key: usual) */
	size_t            min_chunk;
	/* objects of up to this many bytes may live in runs; 0: none do (key: off) */
	size_t            runs;
};

/* ---- looking inside ----------------------------------------------------------------------- */

enum dmm_kind {
	DMM_FREE, /* may be given to the next caller */
	DMM_LIVE, /* the program's */
	/* the system's own: headers, footers, links, bins, tables, page tails kept for them */
	DMM_META,
	DMM_PAD,  /* neither: alignment gaps, page tails, what no request can ever get */
};

/* One stretch of memory.  Pieces come in address order and leave no gap in what is owned. */
struct dmm_piece {
	uintptr_t     addr;
	size_t        len;  /* bytes */
	enum dmm_kind kind;
	/* static text, e.g. "header", "footer", "links", "bins", "pad"; never NULL */
	const char   *what;
	int32_t       bin;  /* the bin, list or size class that it belongs to; -1: none */
};

/* Return 0 to go on; anything else ends the walk, which then returns it. */
typedef int dmm_visit(void *arg, const struct dmm_piece *piece);

/* Which rule broke, where, what was found and what was wanted. */
struct dmm_fault {
	const char *rule; /* as named at the head of the system's page: "C2 footer" */
	uintptr_t   addr;
	uint64_t    found, wanted;
};

/* What a system tells about itself, and what the contract suite must skip. */
enum dmm_trait {
	DMM_FREES            = 1u << 0, /* freed memory can be given out again */
	DMM_COALESCES        = 1u << 1, /* neighbouring free chunks become one */
	DMM_THREADS          = 1u << 2, /* does its own locking */
	DMM_INBAND           = 1u << 3, /* metadata lies between the payloads */
	DMM_USES_BRK         = 1u << 4,
	DMM_USES_MAP         = 1u << 5,
	DMM_RETURNS          = 1u << 6, /* gives memory back to the operating system */
	DMM_SEES_DOUBLE_FREE = 1u << 7,
	DMM_SEES_FOREIGN     = 1u << 8, /* notices a pointer that it never gave out */
	DMM_ZERO_IS_NULL     = 1u << 9, /* malloc(0) is NULL, as the slide of vm has it */
	DMM_SINGLETON        = 1u << 10, /* at most one heap of it in a process */
};

struct dmm_system {
	uint32_t    abi; /* DMM_SYSTEM_ABI */
	const char *name;
	const char *doc; /* one line: the idea */
	uint32_t    traits;  /* enum dmm_trait */
	uint32_t    options; /* enum dmm_option: the params it honours */
	size_t      align;      /* bytes; the largest alignment that alloc() itself can give */
	size_t      state_size; /* bytes of state, zeroed by the caller before open() */
	struct dmm_params defaults;

	/* Begin a heap on `os`, which must outlive it.  0, or a negative errno and nothing
	 * changed. */
	int (*open)(void *st, const struct dmm_params *params, const struct dmm_os *os);
	/* End it: everything it obtained goes back to `os` (what lies below a foreign break
	 * cannot). */
	void (*close)(void *st);

	/* At least n bytes (n <= DMM_SIZE_MAX; 0 counts as 1 unless DMM_ZERO_IS_NULL) aligned to
	 * `align`, a power of two between DMM_ALIGN_MIN and .align.  NULL: no memory, nothing
	 * changed. */
	void *(*alloc)(void *st, size_t n, size_t align);
	/* p came from alloc() or resize() of this heap and is live; never NULL. */
	void (*free)(void *st, void *p);
	/* Grow or shrink in place or by moving; NULL: nothing changed, the caller may copy.
	 * The pointer itself may be NULL: the heap layer then always copies. */
	void *(*resize)(void *st, void *p, size_t n);
	size_t (*usable)(void *st, const void *p); /* bytes that may be written from p on */

	/* Call visit for every byte owned, in address order.  May be NULL: then nothing draws the
	 * heap, and dmm torture cannot compare it with what the program holds. */
	int (*walk)(void *st, dmm_visit *visit, void *arg);
	/* True: all invariants hold.  False: *why says which does not.  May be NULL. */
	bool (*check)(void *st, struct dmm_fault *why);
	/* Give back what can be given back; bytes returned.  NULL: nothing ever can. */
	size_t (*trim)(void *st, size_t keep);
	/* A free list in its own order: the payload of the chunk after the free payload `after` in
	 * `bin` (as walk numbers it), of the first one for NULL; NULL ends it.  For drawings and
	 * for counting what a search would visit.  NULL: there are no lists. */
	void *(*next_free)(void *st, int32_t bin, const void *after);
};

/* A system outside this tree (see examples/my_system.c) exports this one symbol. */
#define DMM_SYSTEM_SYMBOL "dmm_system_entry"
extern const struct dmm_system *dmm_system_entry(void);

#ifdef __cplusplus
}
#endif
#endif
