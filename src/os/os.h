/* os.h - the operating system as a value: real, simulated, or failing on purpose.
 *
 *   os_linux    brk, mmap, mremap, madvise of this process
 *   os_arena    a heap section and a mapping area at a fixed address: reproducible pictures
 *   os_fault    in front of either: counts calls and bytes; refuses the n-th call, all from the
 *               n-th, or those beyond a budget
 *
 * struct dmm_os itself is public: include/dmm_system.h.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/config.h"
#include "dmm_system.h"

/* The one real system.  Functions are thread-safe where the kernel's are; the break is not:
 * between brk_get and brk_set other code may move it. */
extern const struct dmm_os os_linux;
/* The same, which says that pages are of 16 KiB. */
extern const struct dmm_os os_linux_16k;
/* The one of the two that fits this kernel; os_linux if neither is needed. */
const struct dmm_os *os_here(void);
static inline bool os_is_real(const struct dmm_os *os)
{
	return os == &os_linux || os == &os_linux_16k;
}

/* How often os_linux called the kernel in this process, and how much it gave back.  Each field is
 * atomic by itself. */
struct os_calls {
	_Atomic uint64_t maps, unmaps, moves, protects, advices, purges; /* calls */
	_Atomic uint64_t purged, unmapped;                               /* bytes */
};
extern HIDDEN struct os_calls os_calls;

/* map_at() of os_linux, with `flag` in place of MAP_FIXED_NOREPLACE. A kernel before Linux 4.17
 * does not know the flag and treats the address as a hint. Every kernel does so with 0, which tests
 * use. */
int os_map_at(void *p, size_t len, int flag);

/* Let any process of the same user read this one's memory, where Yama lets only its ancestors. */
void os_allow_observers(void);
/* A page of zeros that the process shares with all that it forks; NULL: the system refuses. */
void *os_shared_page(void);
void os_unshare_page(void *page);

/* ---- os_arena ---------------------------------------------------------------------------- */

/*   base                 brk           heap_end          map_top                          end
 *     | heap section ....  | inaccessible | mappings, bumped | inaccessible ................. |
 *
 * Arena number `slot` always lies at the same address, in every process and run, so that drawings
 * and replays are byte for byte the same. It zeroes unmapped memory and reuses it for mappings
 * of the same length, at the top for all.  Of reserved memory and of mappings in a window it counts
 * only the pages that the owner reports as touched, until they are purged, since nobody writes into
 * payload here.
 *
 * There it also follows the advice on huge pages, as Linux does where
 * /sys/kernel/mm/transparent_hugepage/enabled says "madvise" and memory is plenty: in an advised
 * block of 2 MiB without memory the first touch gives memory to the whole block; a purge takes
 * single pages out of it; DMM_ADVICE_COLLAPSE fills a block that has some memory.  khugepaged,
 * which does the latter in the background, does not run here.  Not thread-safe. */
enum { OS_ARENA_SLOTS = 64, OS_ARENA_RESERVATIONS = 4 };

struct os_arena {
	struct dmm_os os; /* .ctx is this arena */
	char *base, *brk, *heap_end, *map_top, *end;
	/* for each page of the mapping area the next free extent of the same length; 0: none */
	uint32_t *next_free;
	uint32_t *first_free; /* per length in pages, up to OS_ARENA_LENGTHS */
	size_t heap_bytes;    /* owned in the heap section */
	size_t map_bytes;     /* owned in the mapping area */
	size_t peak_bytes;    /* of both together */
	struct arena_reserved {
		char *from, *to;
		bool window;   /* named, not reserved: what map_at() mapped in it counts */
		size_t mapped; /* bytes of a window */
	} reserved[OS_ARENA_RESERVATIONS];
	size_t reserved_bytes; /* of map_bytes: what was reserved, or mapped in a window */
	size_t touched_bytes;  /* of these, in whole pages */
	/* a bit a page of the mapping area; NULL: nothing was ever reserved */
	uint64_t *touched;
	char *touched_top;     /* no page is touched from here on */
	uint64_t calls;
	/* times that the kernel had no memory for a call: from then on the heap may differ from the
	 * one of an undisturbed run */
	uint64_t refused;
	/* one byte for each HUGE_PAGE_SIZE of the mapping area: 1 if huge pages are advised; NULL:
	 * they never were */
	uint8_t *huge;
	/* pages that got memory: below the break, mapped, or reserved and touched */
	uint64_t faults;
	uint64_t huge_faults; /* blocks that got memory as one huge page; not in `faults` */
	uint64_t clock_ns; /* what now_ns says: the owner moves it */
};

enum { OS_ARENA_LENGTHS = 1 << 16 };

/* heap_len and map_len in bytes, whole pages, together at most 1 TiB.
 * 0 or -errno (-EEXIST: that slot's addresses are taken). */
int os_arena_open(struct os_arena *a, unsigned slot, size_t heap_len, size_t map_len);
void os_arena_close(struct os_arena *a);

/* These bytes are written to; of no effect outside of what is reserved. */
void os_arena_touch(struct os_arena *a, const void *p, size_t len);
bool os_arena_is_reserved(const struct os_arena *a, const void *p);
/* How many of len bytes, all reserved or none, are alike from the beginning on.  *held: they have
 * memory, as all mapped memory and all below the break has. */
size_t os_arena_stretch(const struct os_arena *a, const void *p, size_t len, bool *held);

/* Bytes obtained and not given back; of reserved addresses those that were touched. */
static inline size_t os_arena_footprint(const struct os_arena *a)
{
	return a->heap_bytes + a->map_bytes - a->reserved_bytes + a->touched_bytes;
}

/* ---- os_fault ---------------------------------------------------------------------------- */

enum { OS_FAULT_RESERVED = 4 };

/* Refusable calls are numbered from 1; brk_get and now_ns never fail and are not counted. */
struct os_fault {
	struct dmm_os os; /* .ctx is this */
	const struct dmm_os *below;
	uint64_t calls;      /* so far */
	uint64_t refused;    /* of them */
	uint64_t fail_at;    /* refuse this one call; 0: none */
	uint64_t fail_from;  /* refuse this one and all after it; 0: none */
	/* map_at() finds another mapping in taken_count calls from this one on; 0: in none */
	uint64_t taken_at, taken_count;
	/* a bit for each enum dmm_advice that this kernel does not know: -EINVAL */
	uint32_t lacks;
	bool no_window; /* window() names no addresses */
	size_t budget_bytes; /* refuse what would own more than this; 0: no bound */
	/* protect() makes reserved bytes owned (RW) or not (NONE) */
	size_t owned_bytes, peak_bytes;
	/* by all calls of reserve(); they are owned once protect() makes them RW */
	size_t reserved_bytes;
	struct os_range {
		void *p;
		size_t len;
	} reserved[OS_FAULT_RESERVED]; /* the last ones */
	size_t reserved_next;
};

void os_fault_open(struct os_fault *f, const struct dmm_os *below);

#endif
