/* interleave.c - frees across threads, threads that end, and heaps without a thread: src/slab
 * itself, in every order of its atomic operations within a bound.
 *
 * One class is small for this: slabs of three objects, magazines of two.  The three objects share
 * one word of the masks, and in a second run each has a word of its own, over two granules.  Three
 * threads, and in some scenarios a fourth that begins later, handle three blocks.  Checked after
 * each schedule:
 *
 *   I1 once       nobody is given what somebody has
 *   I2 found      every free object can be found again: counted and listed, or flagged and in an
 *                 inbox; an inbox holds only flagged slabs of its heap; a free object is not
 *                 marked live
 *   I3 released   a slab of which all objects are free has gone back, or is the one that its heap
 *                 keeps
 *   I4 sound      src/slab's own checker; no lock is held; no message of misuse
 *   I5 untouched  no page is given back on which somebody has an object, nor on which one is given
 *                 out meanwhile
 *   I6 named      where two threads free the same object, the program ends with "double free", or
 *                 "invalid free" where something else lies there by then; and nobody is given what
 *                 somebody has
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "fresh_os.h"
#include "history.h"
#include "interleave.h"
/* With its static functions: a thread's end is one. */
#include "slab/init.h"
#include "slab/thread.c"

#include "slab/fast.h"
#include "slab/guard_large.h"
#include "slab/huge_page.h"
#include "slab/mapped.h"
#include "slab/remote.h"
#include "slab/system.h"
#include "slab/window.h"

unsigned block_class;

/* ---- for the scheduler */

void *sched_tls(void)
{
	return &thread_cache;
}

size_t sched_tls_len(void)
{
	return sizeof thread_cache;
}

void sched_tls_new(void *at)
{
	*(struct thread_cache *)at = (struct thread_cache){THREAD_CACHE_NONE};
}

static bool within(const volatile void *at, const volatile void *from, size_t len)
{
	return (uintptr_t)at - (uintptr_t)from < len;
}

/* Is it a choice when live bits are looked at or changed?  Are objects freed twice on purpose? */
bool live_is_worth, freed_twice;

/* Which word of a table of bits lies there; SIZE_MAX: none. */
static size_t word_of(const volatile void *at, const _Atomic uint64_t *biased)
{
	const uintptr_t from = (uintptr_t)&biased[root.base >> WORD_SHIFT];
	const size_t words = (size_t)root.chunk_count * CHUNK_GRANULES * GRANULE_WORDS;

	return (uintptr_t)at - from < words * 8 ? ((uintptr_t)at - from) / 8 : SIZE_MAX;
}

/* May an object of block_class begin in this word of the masks?  A slab of several granules begins
 * at any of them. */
static bool may_hold_a_start(size_t word)
{
	const struct size_class *const c = &size_class[block_class];

	for (unsigned i = 0; i < c->count; i++)
		for (unsigned granule = 0; granule < c->granules; granule++)
			if ((i * c->size >> WORD_SHIFT) % (c->granules * (size_t)GRANULE_WORDS) ==
			    (word + (size_t)granule * GRANULE_WORDS) %
			        (c->granules * (size_t)GRANULE_WORDS))
				return true;
	return false;
}

/* No choice at fields that change only under a lock, nor at mask words where no object begins. */
bool sched_worth(const volatile void *at)
{
	if ((uintptr_t)at - root.base < root.payload_mapped)
		return false;
	if (at == &root.units || at == &root.used || at == &root.mapped_count)
		return false; /* they change when the heap grows, under page_lock */
	const size_t live = word_of(at, root.live), w = min_size(live, word_of(at, root.marks));

	if (within(at, (void *)table_address(TABLE_AVAIL), root.table[TABLE_AVAIL].mapped) ||
	    (live != SIZE_MAX && !live_is_worth))
		return false;
	if (within(at, (void *)table_address(TABLE_SLABS), root.table[TABLE_SLABS].mapped))
		return false; /* kind: written before the tag, and under a lock */
	return w == SIZE_MAX || may_hold_a_start(w);
}

static uint64_t hash_bytes(uint64_t hash, const void *p, size_t len)
{
	const uint64_t *const words = p;

	for (size_t i = 0; i < len / sizeof *words; i++)
		hash = words[i] != 0 ? hash_more(hash, words[i] + i) : hash;
	return hash;
}

uint64_t sched_hash_state(void)
{
	uint64_t hash = root.used + root.dirty * 3;

	for (enum table_kind t = 0; t < TABLES; t++)
		if (t != TABLE_POOL)
			hash = hash_bytes(hash, (void *)table_address(t), root.table[t].mapped);
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		hash = hash_bytes(hash, heap_at(i), sizeof(struct slab_heap));
	for (unsigned i = 0; i < SCHED_THREADS; i++)
		hash = hash_bytes(hash, sched_tls_of(i), sizeof thread_cache);
	return hash;
}

/* ---- I1: who has what */

static struct {
	void *p;
	unsigned by;
} held[64];
size_t held_count;

/* Owners of objects are noted by page: no other state is shared. */
static void note_pages(const char *p, size_t len, bool changes)
{
	for (uintptr_t page = (uintptr_t)p / 4096; page <= ((uintptr_t)p + len - 1) / 4096; page++)
		sched_point((void *)(page * 4096), changes);
}

/* slab_malloc() begins with a plain load of this word, which the shim does not see. */
void *ask(size_t n)
{
	sched_point(&root.alone_below, false);
	return slab_malloc(n);
}

void *take(void)
{
	void *const p = ask(CLASS_SIZE);

	if (p == NULL)
		sched_fail("no memory");
	note_pages(p, size_class[block_class].size, true);
	for (size_t i = 0; i < held_count; i++)
		if (held[i].p == p)
			sched_fail("I1 once: an object was given out that somebody has");
	held[held_count].p = p;
	held[held_count++].by = sched_self();
	return p;
}

static void check_untouched(const char *p, size_t len)
{
	note_pages(p, len, false);
	for (size_t i = 0; i < held_count; i++) {
		const char *const object = held[i].p;
		if (object < p + len && p < object + size_class[block_class].size)
			sched_fail("I5 untouched: a page was given back on which somebody has an "
			           "object");
	}
}

/* The kernel takes its time: others may go on before it is done. */
void ground_gives_back(const char *p, size_t len)
{
	static _Atomic unsigned calls;

	check_untouched(p, len);
	atomic_fetch_add(&calls, 1);
	check_untouched(p, len);
}

static void give(void *p)
{
	note_pages(p, size_class[block_class].size, true);
	for (size_t i = 0; i < held_count; i++)
		if (held[i].p == p)
			held[i] = held[--held_count];
	slab_free(p);
}

void thread_ends(void)
{
	thread_end(NULL);
	sched_tls_new(&thread_cache); /* the next thread on this place is a new one */
}

/* Where the schedule before ended the program, a thread may have held one of these. */
static void give_all_locks(void)
{
	struct lock *const locks[] = {
	    &purge_lock, &advice_lock, &inbox_lock, &window_lock, &fallback_lock, &mapped_lock,
	    &waiting_lock, &start_lock};

	for (size_t i = 0; i < sizeof locks / sizeof *locks; i++)
		*locks[i] = (struct lock){0};
}

static void begin(void)
{
	give_all_locks();
	if (root.base != 0)
		slab_shut_down();
	purge_after_fork(); /* as in a child, none of those that had heaps is here */
	if (!slab_start_on(ground_os()))
		abort();
	held_count = 0;
	live_is_worth = freed_twice = false;
}

/* ---- scenarios */

void *block[BLOCKS];

static void take_three(void)
{
	for (int i = 0; i < 3; i++)
		block[i] = take();
}

/* A heap without a slab: each slab would be one more for the purger to look at. */
static void have_heap(void)
{
	thread_heap();
}

void begin_three(void)
{
	begin();
	sched_as(0, have_heap);
	sched_as(1, have_heap); /* from here on the heap is shared */
	sched_as(2, have_heap);
	sched_as(0, take_three);
}

void free_0(void)
{
	give(block[0]);
}

void free_1(void)
{
	give(block[1]);
}

static void free_2(void)
{
	give(block[2]);
}

void free_1_and_2(void)
{
	give(block[1]);
	give(block[2]);
}

/* The owner goes on allocating while others free into its slab. */
void owner_works(void)
{
	void *const a = take(), *const b = take();
	give(block[2]);
	void *const c = take();
	give(a);
	give(b);
	give(c);
}

static void owner_ends(void)
{
	give(block[2]);
	thread_ends();
}

void owner_ends_at_once(void)
{
	thread_ends();
}

/* Needs a slab of the class: takes over one of a heap without a thread. */
static void another_needs(void)
{
	void *p[3];
	for (int i = 0; i < 3; i++)
		p[i] = take();
	for (int i = 0; i < 3; i++)
		give(p[i]);
}

void another_takes_one(void)
{
	take();
}

static void another_needs_and_ends(void)
{
	another_needs();
	thread_ends();
}

/* A thread that begins: gets the heap of one that has ended. */
static void begins_anew(void)
{
	void *const a = take();
	give(block[1]);
	give(a);
}

static void free_0_and_2(void)
{
	give(block[0]);
	give(block[2]);
}

static void free_0_and_3(void)
{
	give(block[0]);
	give(block[3]);
}

static void free_4_and_1(void)
{
	give(block[4]);
	give(block[1]);
}

static void take_five(void)
{
	for (int i = 0; i < 5; i++)
		block[i] = take();
}

void begin_two_slabs(void)
{
	begin();
	sched_as(0, have_heap);
	sched_as(1, have_heap);
	sched_as(2, have_heap);
	sched_as(0, take_five);
}

void purger_looks(void)
{
	purge_now(0);
	purge_now(0);
}

static void purger_sweeps(void)
{
	uint32_t cursor = 0;
	purge_slabs(&cursor);
	purge_slabs(&cursor);
	purge_heap(heap_at(HEAP_FIRST));
}

void begin_orphaned(void)
{
	begin_three();
	sched_as(0, owner_ends_at_once);
}

/* The next push is the one in 64 after which who pushed releases what others emptied. */
static void pushed_to(void)
{
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		atomic_store(&heap_at(i)->pushes, 63);
}

static void begin_orphaned_and_pushed_to(void)
{
	begin_orphaned();
	pushed_to();
}

static void begin_two_slabs_pushed_to(void)
{
	begin_two_slabs();
	pushed_to();
}

/* Takes the slab over, empties it, ends; then slabs of one granule come to lie where it was. */
static void others_come_there(void)
{
	give(block[0]);
	give(block[1]);
	another_needs_and_ends();
	for (size_t n = 32; n <= 160; n += 16) /* more than free granules lie before it */
		ask(n);
}

void settle(void)
{
	check_all();
	held_count = 0;
}

/* ---- all of them */

const struct sched_scenario usual_scenarios[] = {
    {"two free what the owner has, who goes on", begin_three, {owner_works, free_0, free_1},
        settle},
    {"two free into two slabs of an owner who goes on", begin_two_slabs,
        {owner_works, free_0_and_3, free_4_and_1}, settle},
    {"two free while the owner ends", begin_three, {owner_ends, free_0, free_1}, settle},
    {"one frees two, one allocates, the owner ends", begin_three,
        {owner_ends_at_once, free_1_and_2, another_needs}, settle},
    {"frees into a heap without a thread, which another inherits from", begin_orphaned,
        {NULL, free_0, another_needs, free_1_and_2}, settle},
    {"frees into a heap without a thread, of which another takes one", begin_orphaned,
        {NULL, free_0, another_takes_one, free_1_and_2}, settle},
    {"a new thread takes the heap while two free into it", begin_orphaned,
        {begins_anew, free_0, free_2}, settle},
    {"a new thread takes the heap from which another inherits", begin_orphaned,
        {begins_anew, free_0_and_2, another_takes_one}, settle},
    {"two allocate from a heap without a thread, and end", begin_orphaned,
        {NULL, another_needs, another_needs_and_ends, free_0}, settle},
    {"the purger empties an inbox while others free into it", begin_three,
        {owner_works, free_0, free_1, purger_looks}, settle},
    {"the purger empties the inbox of a heap without a thread", begin_orphaned,
        {NULL, free_0, free_2, purger_looks}, settle},
    {"who frees releases for a heap without a thread, another frees", begin_orphaned_and_pushed_to,
        {NULL, free_0_and_2, free_1}, settle},
    {"slabs come to lie where one was into which another frees", begin_orphaned,
        {NULL, free_2, others_come_there}, settle},
    {"pages are given back while the owner works", begin_three,
        {owner_works, free_0, free_1, purger_sweeps}, settle},
    {"pages are given back while the owner ends", begin_three,
        {owner_ends, free_0, free_1, purger_sweeps}, settle},
    {"pages of a heap without a thread go while another needs them", begin_orphaned,
        {NULL, free_0_and_2, another_needs, purger_sweeps}, settle},
    {"the purger walks over two slabs that wait", begin_two_slabs,
        {owner_works, free_0_and_3, purger_looks}, settle},
    {"who frees walks over two slabs that wait", begin_two_slabs_pushed_to,
        {owner_works, free_0_and_3, free_4_and_1}, settle},
    {0},
};
