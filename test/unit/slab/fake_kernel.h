/* fake_kernel.h - os_linux for the heap's back end, with a clock that the test moves, calls that
 * are written down, and calls that are refused on request; and what the kernel says of memory,
 * not what slab believes. */
#ifndef TEST_SLAB_PAPER_H
#define TEST_SLAB_PAPER_H

#include "dmm_system.h"

enum { PAPER_CALLS = 4096 };

struct paper {
	struct dmm_os os;
	uint64_t now_ns;
	uint64_t huge_ns, collapse_ns; /* what one huge page takes, and one collapse */
	size_t most_usable;   /* nor does map_at() map more in one call; 0: no bound */
	bool   no_purge, no_unmap, no_move, no_protect, no_map, move_loses;
	bool   no_segments; /* map() gives nothing: a full pool stays full */
	uintptr_t foreign, foreign_end; /* map_at() finds a foreign mapping there */
	bool   moves_in_chunk;    /* alone; across its end -EFAULT */
	size_t moves_before_loss; /* move_loses: calls that are granted before */
	size_t moves_every, moves_asked; /* every so-manieth is refused; 0: none */
	size_t purged_bytes, moved_bytes; /* by calls that were granted */
	size_t purge_calls;               /* granted or not */
	uintptr_t mapped_last; /* by map_at(), which advises against huge pages at once */
	/* calls under page_lock: advice on huge pages after that, memory given back, pages moved,
	 * whether memory was touched;
	 * memory given back under a heap's lock */
	size_t waited_for;
	size_t asked; /* whether memory was touched */
	size_t unmapped_under_page_lock;
	size_t tables_grown; /* by calls of map_at() */
	size_t count;                     /* of what is written down, advice alone */
	struct paper_call {
		uintptr_t at;
		size_t len;
		enum dmm_advice what;
	} call[PAPER_CALLS];
};

extern struct paper paper;
/* nor has the next heap's kernel guards in page tables: before Linux 6.13 */
extern bool paper_no_guards;
/* the next heap's window() names no more addresses; 0: what is asked */
extern size_t paper_most_window;

/* A heap on it, with these settings ("" : none); ends the one that was there. */
void paper_begin(const char *settings);
void paper_end(void);
/* The clock goes on, and the purger with it. */
void paper_pass_ms(unsigned ms);

/* Bytes that are resident, of [p, p + len). */
size_t paper_resident(const void *p, size_t len);
/* Of all payload of the heap. */
size_t paper_resident_payload(void);
/* Was there such advice for a stretch that holds p? */
bool paper_advised(const void *p, enum dmm_advice what);

/* slab's own checker, as an assertion; and no thread waited for the kernel (waited_for). */
void paper_sound(void);

#endif
