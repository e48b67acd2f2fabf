/* shared_test.c - larger objects that threads free for each other. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor.h"
#include "fake_kernel.h"
#include "os/os.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/init.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/shared.h"
#include "slab/system.h"
#include "test.h"

enum { OBJECTS = 8000 };
static char *object[OBJECTS];
static size_t size;

enum { TURN = 1000, TURNS = OBJECTS / TURN };
static size_t turn;

static void fill_one_turn(void)
{
	for (size_t i = turn * TURN; i < (turn + 1) * TURN; i++) {
		object[i] = slab_malloc(size);
		assert_non_null(object[i]);
		memset(object[i], (int)(i % 251), size);
	}
}

/* Two of three objects of threads that sleep: the third ones keep most slabs. */
static void free_most_of_the_turn(void)
{
	for (size_t i = turn * TURN; i < (turn + 1) * TURN; i++)
		if (i % 3 != 0)
			slab_free(object[i]);
}

static void free_rest_of_the_turn(void)
{
	for (size_t i = turn * TURN; i < (turn + 1) * TURN; i++) {
		if (i % 3 != 0)
			continue;
		for (size_t at = 0; at < size; at += 15)
			assert_int_equal((unsigned char)object[i][at], i % 251);
		slab_free(object[i]);
	}
}

/* As if threads had freed larger objects for each other. */
static void share(void)
{
	root.shared_notes = SHARED_AFTER - 1;
	remote_note_larger(class_of(5440));
	assert_int_equal(root.shared_count, SHARED_HEAPS);
}

TEST(what_others_freed_of_larger_objects_serves_any_thread)
{
	struct actor owner[TURNS];

	for (size = 1088; size <= 5440; size += 4352) {
		paper_begin("guarded:0");
		slab_free(slab_malloc(size)); /* has a heap */
		const size_t before = root.used;
		for (turn = 0; turn < TURNS; turn++) {
			begins(&owner[turn]);
			does(&owner[turn], fill_one_turn);
			free_most_of_the_turn();
			paper_sound();
		}
		assert_int_equal(root.shared_count, SHARED_HEAPS);
		/* if each turn opened slabs for all its objects: OBJECTS */
		const size_t live = OBJECTS / 3 * size / GRANULE;
		assert_true(root.used - before <= live * 5 / 2);
		for (turn = 0; turn < TURNS; turn++)
			does(&owner[(turn * 3 + 1) % TURNS], free_rest_of_the_turn);
		for (turn = 0; turn < TURNS; turn++)
			ends(&owner[turn]);
		slab_trim(0);
		paper_sound();
		assert_true(root.used <= before + 16);
		paper_end();
	}
}

TEST(a_program_whose_threads_free_only_their_own_objects_shares_no_heap)
{
	struct actor owner[2];

	paper_begin("guarded:0");
	size = 5440;
	for (turn = 0; turn < 2; turn++) {
		begins(&owner[turn]);
		does(&owner[turn], fill_one_turn);
		does(&owner[turn], free_most_of_the_turn);
		does(&owner[turn], free_rest_of_the_turn);
		ends(&owner[turn]);
	}
	assert_int_equal(root.shared_count, 0);
	paper_sound();
	paper_end();
}

/* ---- misuse */

static void free_first(void)
{
	slab_free(object[0]);
}

static struct actor freeing;

static void twice_by_another(void *arg)
{
	(void)arg;
	begins(&freeing);
	does(&freeing, free_first);
	does(&freeing, free_first);
}

static void once_by_each(void *arg)
{
	(void)arg;
	begins(&freeing);
	does(&freeing, free_first);
	slab_free(object[0]);
}

TEST(a_second_free_of_a_shared_object_is_named_whoever_frees)
{
	char line[100];

	paper_begin("guarded:0");
	size = 5440;
	share();
	object[0] = slab_malloc(size);
	snprintf(line, sizeof line, "dmm: double free: %p (%zu bytes)\n", (void *)object[0],
	    class_usable(class_of(size)));
	test_aborts_saying(twice_by_another, NULL, line);
	test_aborts_saying(once_by_each, NULL, line);
	slab_free(object[0]);
	paper_end();
}

/* ---- fork */

enum { HELD = 2000, HELD_SIZE = 3000 };
static char *held[HELD];
static _Atomic bool holds, go_on;

static void hold(size_t from)
{
	for (size_t i = from; i < HELD; i += 2)
		assert_non_null(held[i] = slab_malloc(HELD_SIZE));
}

static void *holds_the_odd_ones(void *arg)
{
	hold(1);
	atomic_store(&holds, true);
	while (!atomic_load(&go_on))
		sched_yield();
	return arg;
}

/* Another thread, which waits, and this one share heaps. The magazine of this one has held[0] on
 * top. */
static pthread_t share_with_another(void)
{
	pthread_t other;

	purge_by(PURGE_BY_CLOCK);
	if (root.base != 0)
		slab_shut_down();
	assert_true(slab_start_on(&os_linux));
	slab_free(slab_malloc(HELD_SIZE)); /* has a heap */
	share();
	hold(0);
	atomic_store(&holds, false);
	atomic_store(&go_on, false);
	assert_int_equal(pthread_create(&other, NULL, holds_the_odd_ones, NULL), 0);
	while (!atomic_load(&holds))
		sched_yield();
	slab_free(held[1]);
	slab_free(held[0]);
	return other;
}

static void stop_sharing(pthread_t other)
{
	atomic_store(&go_on, true);
	pthread_join(other, NULL);
	slab_shut_down();
}

/* 1: something is wrong. */
static int use_all_in_the_child(void)
{
	struct dmm_fault why;
	bool ok = slab_malloc(HELD_SIZE) == held[0] && slab_malloc(HELD_SIZE) == held[1];

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < HELD; i++)
			slab_free(held[i]);
		ok = ok && slab_check_all(&why);
		for (size_t i = 0; i < HELD; i++) {
			held[i] = slab_malloc(HELD_SIZE);
			memset(held[i], (int)(i % 251), HELD_SIZE);
		}
		for (size_t i = 0; i < HELD; i++)
			ok = ok && held[i][0] == (char)(i % 251) &&
			     held[i][HELD_SIZE - 1] == (char)(i % 251);
	}
	ok = ok && slab_check_all(&why);
	return !ok;
}

TEST(a_child_uses_and_frees_what_its_parents_threads_shared)
{
	int status;
	const pthread_t other = share_with_another();

	slab_before_fork();
	const pid_t pid = fork();
	if (pid == 0) {
		slab_after_fork_child();
		_exit(use_all_in_the_child());
	}
	slab_after_fork_parent();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	stop_sharing(other);
}

static void frees_again_in_the_child(void *arg)
{
	slab_before_fork();
	slab_after_fork_child();
	slab_free(arg);
}

TEST(a_child_names_a_second_free_of_what_its_parents_threads_shared)
{
	char line[100];
	const pthread_t other = share_with_another();

	snprintf(line, sizeof line, "dmm: double free: %p (%zu bytes)\n", (void *)held[0],
	    class_usable(class_of(HELD_SIZE)));
	test_aborts_saying(frees_again_in_the_child, held[0], line);
	stop_sharing(other);
}
