/* twice.c - scenarios in which others look at live bits; and I6: two threads free the same
 * object. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "interleave.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/heap.h"
#include "slab/thread.h"

static void begin_looking_at_live(void)
{
	begin_three();
	live_is_worth = true;
}

static void begin_orphaned_looking_at_live(void)
{
	begin_orphaned();
	live_is_worth = true;
}

/* ---- what is said goes into a file */

static int said = -1, loud;
static uint64_t named;
static sigjmp_buf out_of_end;

void sched_failing(void)
{
	if (said >= 0)
		dup2(loud, STDERR_FILENO);
}

/* From here on freeing an object twice is what the threads do. */
static void quiet(void)
{
	if (said < 0) {
		loud = dup(STDERR_FILENO);
		said = memfd_create("said", 0);
	}
	if (said < 0 || ftruncate(said, 0) != 0 || lseek(said, 0, SEEK_SET) != 0 ||
	    dup2(said, STDERR_FILENO) < 0)
		abort();
	live_is_worth = freed_twice = true;
	held_count = 0;
}

/* "invalid free": where the object lay there is another slab. */
static bool says_misuse(void)
{
	char text[100] = "";

	return pread(said, text, sizeof text - 1, 0) > 0 &&
	       (strstr(text, "double free") != NULL || strstr(text, "invalid free") != NULL);
}

static void empty_stack(void)
{
	struct slab_heap *const h = thread_cache.heap;

	lock_take(&h->lock);
	cache_flush(&thread_cache, h);
	lock_give(&h->lock);
}

static void begin_freeing_twice(void)
{
	begin_three();
	quiet();
}

/* A thread has freed an object of another before, of another slab, and its owner has looked: from
 * then on such frees take a shorter way (remote_hit.h). */
static void *elsewhere;

static void take_elsewhere(void)
{
	elsewhere = slab_malloc(16);
}

static void drop_elsewhere(void)
{
	slab_free(elsewhere);
}

static void look_into_inbox(void)
{
	struct slab_heap *const h = thread_heap();

	lock_take(&h->lock);
	heap_drain_inbox(h);
	lock_give(&h->lock);
}

static void begin_freeing_twice_after_another(void)
{
	begin_three();
	sched_as(0, take_elsewhere);
	sched_as(1, drop_elsewhere);
	sched_as(0, look_into_inbox);
	if (root.single_most == 0)
		abort();
	quiet();
}

static void give_1_and_2(void)
{
	slab_free(block[1]);
	slab_free(block[2]);
}

/* The other blocks are in the owner's stack, and some in avail; alone: block 0 is all that is
 * live. */
static void begin_freeing_alone_twice(void)
{
	begin_three();
	sched_as(0, give_1_and_2);
	quiet();
}

/* Nothing is in the owner's stack: without block 0 the slab can be closed. */
static void begin_freeing_all_that_is_left_twice(void)
{
	begin_three();
	sched_as(0, give_1_and_2);
	sched_as(0, empty_stack);
	quiet();
}

/* And the heap has another slab of the class, so that it does not retain the first. */
static void begin_freeing_all_that_is_left_in_one_twice(void)
{
	begin_two_slabs();
	sched_as(0, give_1_and_2);
	sched_as(0, empty_stack);
	quiet();
}

static void begin_freeing_an_orphan_twice(void)
{
	begin_orphaned();
	quiet();
}

static void begin_freeing_a_lone_orphan_twice(void)
{
	begin_three();
	sched_as(0, give_1_and_2);
	sched_as(0, owner_ends_at_once);
	quiet();
}

static void drops_0(void)
{
	slab_free(block[0]);
}

static void drops_0_and_1(void)
{
	slab_free(block[0]);
	slab_free(block[1]);
}

static void drops_0_and_ends(void)
{
	slab_free(block[0]);
	thread_ends();
}

static void small_ones_come_there(void)
{
	for (size_t n = 32; n <= 160; n += 16)
		ask(n);
}

static void take_four(void)
{
	for (int i = 0; i < 4; i++)
		take();
}

/* Those that go on take more than the slab holds. */
static void take_all(void)
{
	if (sigsetjmp(out_of_end, 1) != 0)
		return;
	for (unsigned i = 0; i < 3; i++)
		sched_as(i, take_four);
}

static void settle_twice(void)
{
	bool ended = says_misuse();

	if (!ended) {
		take_all();
		ended = says_misuse();
	}
	named += ended;
	dup2(loud, STDERR_FILENO);
	held_count = 0;
}

/* In these orders of memory every double free is named. */
static void settle_named(void)
{
	const uint64_t before = named;

	settle_twice();
	if (named == before)
		sched_fail("I6 named: an object was freed twice, and nobody was told");
}

const struct sched_scenario twice_scenarios[] = {
    {"two free what the owner has, who goes on, and look at what is live", begin_looking_at_live,
        {owner_works, free_0, free_1}, settle},
    {"two others free, there is no owner, and look at what is live", begin_orphaned_looking_at_live,
        {another_takes_one, free_0, free_1_and_2}, settle},
    {"twice: the owner and another", begin_freeing_twice, {drops_0, drops_0}, settle_named},
    {"twice: the owner and another, after another object", begin_freeing_twice_after_another,
        {drops_0, drops_0}, settle_named},
    {"twice: the owner and another, who frees more", begin_freeing_twice, {drops_0, drops_0_and_1},
        settle_named},
    {"twice: the owner, who then ends, and another", begin_freeing_twice,
        {drops_0_and_ends, drops_0}, settle_named},
    {"twice: the owner and another, alone", begin_freeing_alone_twice, {drops_0, drops_0},
        settle_named},
    {"twice: the owner and another, alone, the purger looks", begin_freeing_alone_twice,
        {drops_0, drops_0, purger_looks}, settle_named},
    {"twice: the owner, who then ends, and another, all that is left, the purger looks",
        begin_freeing_all_that_is_left_twice, {drops_0_and_ends, drops_0, purger_looks},
        settle_named},
    {"twice: two others, there is no owner", begin_freeing_an_orphan_twice,
        {NULL, drops_0, drops_0_and_1}, settle_named},
    {"twice: two others, there is no owner, alone", begin_freeing_a_lone_orphan_twice,
        {NULL, drops_0, drops_0},
        settle_named},
    {"twice: two others, the owner sleeps, all that is left, the purger looks",
        begin_freeing_all_that_is_left_in_one_twice, {NULL, drops_0, drops_0, purger_looks},
        settle_named},
    {"twice: two others, there is no owner, alone, slabs come to lie there",
        begin_freeing_a_lone_orphan_twice,
        {NULL, drops_0, drops_0, small_ones_come_there}, settle_twice},
    {0},
};

void twice_named(void)
{
	if (!says_misuse())
		return;
	if (sched_running())
		sched_stop();
	siglongjmp(out_of_end, 1);
}

uint64_t twice_count_named(void)
{
	const uint64_t n = named;

	named = 0;
	return n;
}
