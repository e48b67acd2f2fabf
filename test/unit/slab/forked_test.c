/* forked_test.c - a child of a fork has all live objects, can use all free ones, and keeps no lock,
 * flag or inbox of a thread that fork did not copy. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "fake_kernel.h"
#include "slab/fast.h"
#include "slab/fork.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/remote.h"
#include "slab/system.h"
#include "slab/thread_cache.h"
#include "slab/window.h"
#include "slab/window.h"
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

/* The child's verdict as its exit status; 0: no fault. */
static int intact(char **object, size_t from)
{
	for (size_t i = from; i < OBJECTS; i += 3)
		for (size_t at = 0; at < size; at += 13)
			if (object[i][at] != (char)(i % 200))
				return 1;
	return 0;
}

/* Is the slab in its heap's inbox, once? */
static bool in_inbox(const struct slab *s)
{
	unsigned found = 0;

	for (uint32_t g = heap_of(s)->inbox; g != 0; g = slab_at(g)->inbox_next)
		found += slab_at(g) == s;
	for (uint32_t g = heap_of(s)->waiting; g != 0; g = slab_at(g)->inbox_next)
		found += slab_at(g) == s;
	return found == 1;
}

/* A flag without an entry in an inbox would never be taken down. */
static int inboxes_are_wrong(void)
{
	remote_rebuild(); /* the first remote free, or the first look, makes them anew */
	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++)
		if ((tag_at(g) & TAG_REMOTE) != 0 && tag_heap(tag_at(g)) != 0 &&
		    !in_inbox(slab_covering(g)))
			return 2;
	for (uint32_t i = HEAP_FALLBACK; i < root.heap_count; i++)
		for (uint32_t g = heap_at(i)->inbox; g != 0; g = slab_at(g)->inbox_next)
			if ((tag_at(g) & TAG_REMOTE) == 0)
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

	const int wrong = inboxes_are_wrong();
	if (wrong != 0 || !sound())
		return wrong != 0 ? wrong : 4;
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
	const int found = in_a_child(needs_no_more, OBJECTS / 3 - MAGAZINE_OBJECTS_MAX);
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
	while (root.chunk_count < root.meta_ready || n < 30)
		mine[n++] = slab_malloc(HUGE_PAGE_SIZE);
	assert_int_equal(root.chunk_count, root.meta_ready);
	paper_sound();
	assert_int_equal(slab_walk(look_at_piece, &bytes), 0);
	assert_int_equal(bytes, root.payload_mapped + window_tables_len());
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
	return unused_heaps() == wanted && root.orphans == 1 - wanted && sound() ? 0 : 30;
}

TEST(a_heap_that_was_between_two_threads_is_an_orphan_in_the_child)
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
	assert_int_equal(in_a_child(finds_the_heap, 1), 0);
	/* as by a thread that begins, and has not come further yet */
	root.unused = heap_at(had)->next_unused;
	heap_at(had)->taker = 1;
	assert_int_equal(in_a_child(finds_the_heap, 0), 0);
	root.unused = had;
	heap_at(had)->taker = 0;
	paper_end();
}

/* Clears the live bits of the thread that is gone, as if fork had come before malloc set them. */
static int frees_without_bits(size_t n)
{
	for (size_t i = 0; i < n; i++)
		live_word_set(others[i], 0);
	for (size_t i = 0; i < n; i++)
		if (slab_usable(others[i]) < size)
			return 50;
	for (size_t i = 0; i < n; i++)
		live_word_set(others[i], 0);
	for (size_t i = 0; i < n; i++)
		slab_free(others[i]);
	return sound() ? 0 : 51;
}

static int double_free(size_t n)
{
	slab_free(others[n]);
	slab_free(others[n]);
	return 0;
}

static void with_one_thread_gone(const char *settings, int (*look)(size_t), size_t n, int wanted)
{
	pthread_t thread;

	paper_begin(settings);
	sem_init(&go, 0, 0);
	sem_init(&done, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, only_fills, NULL), 0);
	sem_wait(&done);
	const int found = in_a_child(look, n);
	sem_post(&go);
	pthread_join(thread, NULL);
	assert_int_equal(found, wanted);
	paper_end();
}

TEST(a_child_frees_what_has_no_live_bit_since_its_thread_is_gone)
{
	for (size = 16; size <= 5440; size = size * 3 + 16) {
		with_one_thread_gone("guarded:0", frees_without_bits, OBJECTS, 0);
		with_one_thread_gone("zero_on_free:1,guarded:0", frees_without_bits, OBJECTS, 0);
	}
}

TEST(a_child_that_frees_such_an_object_twice_is_told)
{
	size = 400;
	with_one_thread_gone("guarded:0", double_free, 17, 100 + SIGABRT);
}

/* Objects in the magazines of the gone thread, and live objects, are never given out. */
static int gets_only_what_was_free(size_t n)
{
	static char *got[4 * OBJECTS];

	for (size_t i = 0; i < n; i++) {
		got[i] = slab_malloc(size);
		const size_t granule = ((uintptr_t)got[i] - root.base) >> GRANULE_SHIFT;
		if (heap_of(slab_covering(granule))->orphan)
			return 60;
		for (size_t k = 0; k < OBJECTS; k += 97)
			if (got[i] == others[k])
				return 61;
	}
	return intact(others, 0) || intact(others, 1) || intact(others, 2) || !sound() ? 62 : 0;
}

TEST(a_child_is_given_nothing_that_a_thread_that_is_gone_had)
{
	for (size = 16; size <= 5440; size = size * 3 + 16)
		with_one_thread_gone("guarded:0", gets_only_what_was_free, 4 * OBJECTS, 0);
}

static void *allocates(void *arg)
{
	return arg != NULL ? slab_malloc(*(const size_t *)arg) : NULL;
}

static int begins_where_no_heap_is_left(size_t n)
{
	pthread_t thread;
	void *p;

	root.heap_limit = root.heap_count;
	if (root.orphans != 1 || pthread_create(&thread, NULL, allocates, &size) != 0)
		return 70;
	pthread_join(thread, &p);
	if (p == NULL || root.orphans != 0)
		return 71;
	for (size_t i = 0; i < n; i++)
		if (p == others[i])
			return 72;
	return intact(others, 0) || intact(others, 1) || intact(others, 2) || !sound() ? 73 : 0;
}

TEST(a_thread_of_a_child_with_no_heap_left_takes_one_of_a_thread_that_is_gone)
{
	size = 64;
	with_one_thread_gone("guarded:0", begins_where_no_heap_is_left, OBJECTS, 0);
}

/* ---- what children of one parent shall not have in common ------------------------------------ */

enum { DRAWS = 400 }; /* more than lie in the magazine that all inherit */
static uintptr_t *drawn; /* DRAWS addresses, seen by parent and children */

static int draws(size_t child)
{
	for (size_t i = 0; i < DRAWS; i++)
		drawn[child * DRAWS + i] = (uintptr_t)slab_malloc(48);
	return 0;
}

TEST(hardened_children_of_one_parent_are_given_objects_in_different_orders)
{
	drawn = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(drawn != MAP_FAILED);
	paper_begin("random_order:1,guarded:0");
	slab_free(slab_malloc(48));
	assert_int_equal(in_a_child(draws, 0), 0);
	assert_int_equal(in_a_child(draws, 1), 0);
	assert_true(memcmp(drawn, drawn + DRAWS, DRAWS * sizeof *drawn) != 0);
	paper_end();
	munmap(drawn, 8192);
}

/* ---- in the middle of a call of our own: a signal handler forks ------------------------------ */

/* All of slab's but the one of guarded objects; NULL: the lock of the calling thread's heap. */
static struct lock *const in_call[] = {&start_lock, &fallback_lock, &root.heaps_lock, &purge_lock,
    NULL, &inbox_lock, &root.page_lock, &window_lock};
enum { LOCKS = sizeof in_call / sizeof *in_call };

static struct lock *lock_at(size_t i)
{
	return in_call[i] != NULL ? in_call[i] : &thread_cache.heap->lock;
}

TEST(fork_holds_every_lock)
{
	paper_begin("guarded:0");
	slab_free(slab_malloc(100));
	slab_before_fork();
	for (size_t i = 0; i < LOCKS; i++)
		assert_true(lock_held(lock_at(i)));
	slab_after_fork_parent();
	for (size_t i = 0; i < LOCKS; i++)
		assert_false(lock_is_held(lock_at(i)));
	paper_end();
}

static int still_holds(size_t i)
{
	struct lock *const l = lock_at(i);
	if (!lock_held(l))
		return 80;
	lock_give(l);
	slab_free(slab_malloc(100));
	return sound() ? 0 : 81;
}

TEST(the_interrupted_call_keeps_its_lock_in_parent_and_child)
{
	for (size_t i = 0; i < LOCKS; i++) {
		paper_begin("guarded:0");
		slab_free(slab_malloc(100));
		struct lock *const l = lock_at(i);
		lock_take(l);
		assert_int_equal(in_a_child(still_holds, i), 0);
		assert_true(lock_held(l));
		lock_give(l);
		assert_false(lock_is_held(l));
		paper_end();
	}
}
