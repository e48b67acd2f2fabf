/* forked_test.c - a child of a fork has all that was live, can use what was free, and no trace of who did not come
 * along: his flags, his locks, his inboxes. */
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "paper.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/page_heap.h"
#include "slab/system.h"
#include "slab/thread_cache.h"
#include "test.h"

enum { OBJECTS = 6000 };
static char *mine[OBJECTS], *others[OBJECTS];
static size_t size;
static sem_t go, done;

static void fill(char **object)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		object[i] = slab_malloc(size);
		memset(object[i], (int)(i % 200), size);
	}
}

static void *other(void *arg)
{
	fill(others);
	for (size_t i = 0; i < OBJECTS; i += 3)
		slab_free(others[i]);
	sem_post(&done);
	sem_wait(&go); /* the fork comes here */
	for (size_t i = 0; i < OBJECTS; i++)
		if (i % 3 == 2)
			slab_free(others[i]);
	return arg;
}

/* What the child finds wrong, as its exit status; 0: nothing. */
static int intact(char **object, size_t from)
{
	for (size_t i = from; i < OBJECTS; i += 3)
		for (size_t at = 0; at < size; at += 13)
			if (object[i][at] != (char)(i % 200))
				return 1;
	return 0;
}

static int flags_are_up(void)
{
	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++)
		if ((tag_at(g) & TAG_REMOTE) != 0)
			return 2;
	for (uint32_t i = HEAP_LATE; i < root.heap_count; i++)
		if (heap_at(i)->inbox != 0)
			return 3;
	return 0;
}

static bool sound(void)
{
	struct dmm_fault why;
	return slab_check_all(&why);
}

static int look_around(size_t free_now)
{
	static char *more[OBJECTS];
	const size_t used = root.used;

	if (flags_are_up() || !sound())
		return flags_are_up() ? flags_are_up() : 4;
	if (intact(mine, 0) || intact(mine, 1) || intact(others, 1))
		return 5;
	for (size_t i = 0; i < free_now; i++)
		if ((more[i] = slab_malloc(size)) == NULL)
			return 6;
		else
			memset(more[i], 99, size);
	if (intact(mine, 0) || intact(mine, 1) || intact(others, 1))
		return 7; /* something was given out that was live */
	if (root.used > used + used / 50 + 16)
		return 8; /* what was free before is not found any more */
	for (size_t i = 0; i < free_now; i++)
		slab_free(more[i]);
	for (size_t i = 0; i < OBJECTS; i++) {
		if (i % 3 != 2)
			slab_free(mine[i]);
		if (i % 3 == 1)
			slab_free(others[i]);
	}
	slab_trim(0);
	return sound() ? 0 : 9;
}

static int in_a_child(int (*look)(size_t), size_t n)
{
	int status;

	slab_before_fork();
	const pid_t pid = fork();
	if (pid == 0) {
		alarm(20);
		slab_after_fork_child();
		_exit(look(n));
	}
	slab_after_fork_parent();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void fork_with(const char *settings, size_t n)
{
	pthread_t thread;

	paper_begin(settings);
	size = n;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	fill(mine);
	assert_int_equal(pthread_create(&thread, NULL, other, NULL), 0);
	sem_wait(&done);
	for (size_t i = 1; i < OBJECTS; i += 3) /* into slabs of whoever will not come along, */
		slab_free(others[i]), others[i] = mine[i];
	for (size_t i = 1; i < OBJECTS; i += 3) /* who is given others for it */
		mine[i] = slab_malloc(size), memset(mine[i], (int)(i % 200), size);
	for (size_t i = 2; i < OBJECTS; i += 3)
		slab_free(mine[i]);
	assert_int_equal(in_a_child(look_around, OBJECTS / 2), 0);
	sem_post(&go);
	pthread_join(thread, NULL);
	paper_sound();
	assert_int_equal(intact(mine, 0) + intact(mine, 1) + intact(others, 1), 0);
	assert_int_equal(in_a_child(look_around, OBJECTS / 4), 0); /* and when he has ended */
	paper_end();
}

TEST(a_child_has_what_was_live_and_uses_what_was_free)
{
	fork_with("guarded:0", 48);
	fork_with("guarded:0", 400);
	fork_with("guarded:0", 5440);
}

TEST(a_hardened_child_as_well)
{
	fork_with("hardened,guarded:0,quarantine:100", 400);
	fork_with("hardened,guarded:0,quarantine:100", 5440);
}

static void *only_fills(void *arg)
{
	fill(others);
	sem_post(&done);
	sem_wait(&go);
	return arg;
}

static int needs_no_more(size_t n)
{
	const size_t used = root.used;

	for (size_t i = 0; i < n; i++)
		slab_malloc(size);
	return root.used <= used + 4 && sound() ? 0 : 40;
}

TEST(a_child_uses_what_was_freed_into_slabs_that_were_full_and_whose_thread_did_not_come_along)
{
	pthread_t thread;

	paper_begin("guarded:0");
	size = 400;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, only_fills, NULL), 0);
	sem_wait(&done);
	for (size_t i = 0; i < OBJECTS; i += 3)
		slab_free(others[i]);
	const int found = in_a_child(needs_no_more, OBJECTS / 3 - STACK_OBJECTS_MAX);
	sem_post(&go);
	pthread_join(thread, NULL);
	assert_int_equal(found, 0);
	paper_end();
}

static int frees_the_last(size_t n)
{
	for (size_t i = 0; i < n; i++)
		slab_free(mine[i]);
	slab_trim(0);
	return sound() ? 0 : 30;
}

static int look_at_piece(void *arg, const struct dmm_piece *piece)
{
	*(size_t *)arg += piece->len;
	return 0;
}

/* Where the heap ends, there accessible metadata ends as well, every 128 MiB. */
TEST(a_heap_that_fills_its_metadata_is_looked_at_to_its_end_and_no_further)
{
	size_t n = 0, bytes = 0;

	paper_begin("guarded:0");
	while (root.chunk_count < root.meta_ready || n == 0)
		mine[n++] = slab_malloc(HUGE_PAGE_SIZE);
	assert_int_equal(root.chunk_count, root.meta_ready);
	paper_sound();
	assert_int_equal(slab_walk(look_at_piece, &bytes), 0);
	assert_int_equal(bytes, root.reservation_len);
	assert_int_equal(in_a_child(frees_the_last, n), 0);
	for (size_t i = 0; i < 20; i++) {
		memset(mine[n - 1 - i], 1, HUGE_PAGE_SIZE);
		slab_free(mine[n - 1 - i]);
	}
	paper_pass_ms(2000);
	assert_true(paper.purged_bytes > 12 * HUGE_PAGE_SIZE);
	paper_sound();
	paper_end();
}

static int begins_threads(size_t n)
{
	pthread_t thread;

	sem_post(&go);
	for (size_t i = 0; i < n; i++) {
		if (pthread_create(&thread, NULL, other, NULL) != 0)
			return 20;
		sem_post(&go);
		pthread_join(thread, NULL);
	}
	return sound() && root.heap_count < 10 ? 0 : 21;
}

TEST(a_child_begins_threads_of_its_own_which_use_the_heaps_of_those_who_are_gone)
{
	pthread_t thread;

	paper_begin("guarded:0");
	size = 64;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, other, NULL), 0);
	sem_wait(&done);
	assert_int_equal(in_a_child(begins_threads, 20), 0);
	sem_post(&go);
	pthread_join(thread, NULL);
	paper_end();
}

static size_t unused_heaps(void)
{
	size_t n = 0;

	for (uint32_t i = root.unused; i != 0; i = heap_at(i)->next_unused)
		n++;
	return n;
}

static int finds_the_heap(size_t wanted)
{
	return unused_heaps() == wanted && sound() ? 0 : 30;
}

TEST(a_heap_that_was_between_two_threads_is_the_childs)
{
	pthread_t thread;

	paper_begin("guarded:0");
	size = 64;
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	sem_post(&go);
	assert_int_equal(pthread_create(&thread, NULL, other, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(unused_heaps(), 1);
	const uint32_t had = root.unused;
	root.unused = heap_at(had)->next_unused; /* as by a thread that begins, and has not come further yet */
	assert_int_equal(in_a_child(finds_the_heap, 1), 0);
	root.unused = had;
	assert_int_equal(in_a_child(finds_the_heap, 1), 0);
	paper_end();
}
