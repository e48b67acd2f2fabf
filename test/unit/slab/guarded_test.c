/* guarded_test.c - guarded objects on kernels that refuse: each call once, then all that make
 * guards. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/rng.h"
#include "os/os.h"
#include "os/segv.h"
#include "slab/fast.h"
#include "slab/init.h"
#include "slab/purge.h"
#include "slab/guarded.h"
#include "slab/system.h"
#include "test.h"

enum { OBJECTS = 400 };

static void sound(void)
{
	struct dmm_fault why = {.rule = "(none)"};
	if (!slab_check_all(&why))
		fail_msg("broken rule '%s'", why.rule);
}

struct tally {
	uintptr_t end;
	size_t live, bytes;
};

static int count_piece(void *arg, const struct dmm_piece *piece)
{
	struct tally *const t = arg;

	assert_true(piece->addr >= t->end); /* in order, none twice */
	t->end = piece->addr + piece->len;
	t->bytes += piece->len;
	t->live += piece->kind == DMM_LIVE && strcmp(piece->what, "guarded") == 0;
	return 0;
}

static size_t walk_guarded(void)
{
	struct tally t = {0};
	assert_int_equal(slab_walk(count_piece, &t), 0);
	return t.live;
}

static char *object[OBJECTS];
static size_t size[OBJECTS];

static void compare(size_t i)
{
	for (size_t at = 0; at < size[i]; at++)
		assert_int_equal(object[i][at], (char)i);
}

/* Fill, resize and free all objects that can be had, in another order; returns the most that were
 * guarded at once. */
static size_t work(void)
{
	struct rng r = {5};
	size_t guarded = 0;

	for (size_t i = 0; i < OBJECTS; i++) {
		const size_t align = i % 5 == 0 ? 16ul << rng_below(&r, 11) : 1;
		size[i] = 1 + rng_below(&r, i % 7 == 0 ? 40000 : 300);
		object[i] = align > 1 ? slab_aligned(align, size[i]) : i % 3 == 0
		    ? slab_calloc(1, size[i])
		                                                                  : slab_malloc(
		                                                                  size[i]);
		if (object[i] == NULL)
			continue;
		assert_true(is_aligned(object[i], max_size(align, MAX_ALIGN)));
		assert_true(slab_usable(object[i]) >= size[i]);
		for (size_t at = 0; align == 1 && i % 3 == 0 && at < size[i]; at++)
			assert_int_equal(object[i][at], 0);
		memset(object[i], (char)i, size[i]);
		guarded += guarded_owns(object[i]);
	}
	assert_int_equal(walk_guarded(), guarded);
	sound();
	for (size_t i = 0; i < OBJECTS; i += 3) {
		char *const q = object[i] != NULL ? slab_realloc(object[i], size[i] / 2 + 1) : NULL;
		if (q != NULL) {
			object[i] = q;
			size[i] = size[i] / 2 + 1;
		}
	}
	for (size_t k = 0; k < OBJECTS; k++) {
		const size_t i = k * 7 % OBJECTS;
		if (object[i] == NULL)
			continue;
		compare(i);
		slab_free(object[i]);
	}
	sound();
	assert_int_equal(walk_guarded(), 0);
	return guarded;
}

static size_t on(const struct dmm_os *os, const char *conf)
{
	size_t guarded = 0;

	purge_by(PURGE_BY_CLOCK);
	if (root.base != 0)
		slab_shut_down();
	slab_settings_obey(conf, NULL, NULL);
	if (slab_start_on(os)) {
		guarded = work();
		slab_shut_down();
	} else {
		slab_settings_reset();
	}
	return guarded;
}

static int no_advice(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx, (void)p, (void)len, (void)what;
	return -EINVAL;
}

static int no_purge(void *ctx, void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	return -EINVAL;
}

TEST(with_a_rate_of_1_objects_are_guarded_until_the_pool_is_full)
{
	assert_int_equal(on(&os_linux, "guarded:1,guarded_every:1"), 64);
	assert_in_range(on(&os_linux, "guarded:1,guarded_every:1,guarded_slots:512"), 300, OBJECTS);
	assert_int_equal(on(&os_linux, "guarded:1,guarded_every:1,guarded_slots:1"), 1);
	assert_int_equal(on(&os_linux, "guarded:0,guarded_every:1"), 0);
}

TEST(without_guards_as_page_table_entries_mappings_are_split)
{
	struct dmm_os os = os_linux;
	os.advise = no_advice;
	assert_int_equal(on(&os, "guarded:1,guarded_every:1"), 64);
	os.purge = no_purge;
	assert_int_equal(on(&os, "guarded:1,guarded_every:1"), 64);
}

/* Every call refused once; then all from it on. */
static void refuse(const struct dmm_os *below)
{
	struct os_fault f;
	uint64_t at = 1;

	for (bool done = false; !done; at++) {
		os_fault_open(&f, below);
		f.fail_at = at;
		on(&f.os, "guarded:1,guarded_every:1,guarded_slots:32");
		done = f.refused == 0;
	}
	assert_true(at > 80);
	for (at = 1; at < 150; at += 3) {
		os_fault_open(&f, below);
		f.fail_from = at;
		on(&f.os, "guarded:1,guarded_every:1,guarded_slots:32");
	}
	os_fault_open(&f, below);
	on(&f.os, "guarded:1,guarded_every:1");
	assert_int_equal(f.owned_bytes, 0);
}

TEST(whatever_is_refused_the_heap_stays_whole)
{
	struct dmm_os old = os_linux;
	old.advise = no_advice;
	refuse(&os_linux);
	refuse(&old);
}

static char *kept[20000];

/* Objects of 64 bytes that all come out of slabs; those guarded are kept, or freed at once.  How
 * many. */
static size_t allocate(const char *conf, bool keep)
{
	size_t guarded = 0;

	purge_by(PURGE_BY_CLOCK);
	slab_settings_obey(conf, NULL, NULL);
	assert_true(slab_start_on(&os_linux));
	for (size_t i = 0; i < 20000; i++) {
		kept[i] = slab_malloc(64);
		assert_non_null(kept[i]);
		if (!guarded_owns(kept[i]))
			continue;
		guarded++;
		if (!keep)
			slab_free(kept[i]);
		kept[i] = keep ? kept[i] : NULL;
	}
	return guarded;
}

static void end(void)
{
	for (size_t i = 0; i < 20000; i++)
		slab_free(kept[i]);
	sound();
	slab_shut_down();
}

TEST(the_rate_is_about_what_was_asked_for)
{
	assert_in_range(allocate("guarded:1,guarded_every:500", false), 8, 120); /* 40 expected */
	end();
}

TEST(what_lives_long_takes_a_page_for_each_half_MiB_of_the_heap_at_most)
{
	const size_t guarded = allocate("guarded:1,guarded_every:10", true);

	assert_in_range(guarded, 2, 1 + root.used / 32);
	end();
}

static size_t slot_number(const char *p)
{
	assert_true(guarded_owns(p));
	return (uintptr_t)p / GUARDED_SLOT;
}

TEST(of_guarded_slots_that_are_free_who_was_freed_first_is_used_first)
{
	purge_by(PURGE_BY_CLOCK);
	slab_settings_obey("guarded:1,guarded_every:1,guarded_slots:3", NULL, NULL);
	assert_true(slab_start_on(&os_linux));
	char *p[3];
	for (size_t i = 0; i < 3; i++)
		p[i] = slab_malloc(100);
	const size_t first = slot_number(p[0]);
	static const size_t order[] = {0, 2, 1, 2, 0, 1};
	for (size_t i = 0; i < 6; i += 3) {
		for (size_t k = 0; k < 3; k++)
			slab_free(p[order[i + k]]);
		for (size_t k = 0; k < 3; k++) {
			p[order[i + k]] = slab_malloc(100);
			assert_int_equal(slot_number(p[order[i + k]]), first + order[i + k]);
		}
	}
	sound();
	slab_shut_down();
}

static void *look_beside(void *arg)
{
	unsigned char *const p = slab_malloc(1);

	*(unsigned char *)arg = guarded_owns(p) ? p[1] : 0;
	slab_free(p);
	return NULL;
}

enum { THREADS = 16, STACK = 256 << 10 };

TEST(what_stands_beside_a_guarded_object_is_neither_a_nul_nor_a_letter_nor_known_before)
{
	/* other threads draw otherwise */
	static char stack[THREADS][STACK] __attribute__((aligned(4096)));
	unsigned char found[THREADS], differ = 0;
	pthread_attr_t own;
	pthread_t thread;

	for (size_t i = 0; i < THREADS; i++) {
		purge_by(PURGE_BY_CLOCK);
		slab_settings_obey("guarded:1,guarded_every:1", NULL, NULL);
		assert_true(slab_start_on(&os_linux));
		pthread_attr_init(&own);
		assert_int_equal(pthread_attr_setstack(&own, stack[i], STACK), 0);
		assert_int_equal(pthread_create(&thread, &own, look_beside, &found[i]), 0);
		pthread_join(thread, NULL);
		pthread_attr_destroy(&own);
		slab_shut_down();
		assert_true(found[i] & 0x80);
		differ |= found[i] ^ found[0];
	}
	assert_int_not_equal(differ, 0);
}

static char *guarded;

static void tells_of_two_accesses(void *arg)
{
	(void)arg;
	const struct segv past = {.address = guarded + 48, .access = ACCESS_WRITE};
	guarded_tell_access(&past);
	const struct segv before = {.address = guarded - 2, .access = ACCESS};
	guarded_tell_access(&before);
	_exit(0);
}

/* Where `what` stands in the text for the first time, and nowhere else. */
static const char *once(const char *text, const char *what)
{
	const char *const at = strstr(text, what);
	if (at == NULL || strstr(at + 1, what) != NULL)
		fail_msg("not once '%s' in:\n%s", what, text);
	return at;
}

static void tells(void)
{
	char said[8000], first[200], second[200];

	assert_true(guarded_owns(guarded));
	assert_int_equal(test_in_child(tells_of_two_accesses, NULL, said, sizeof said), 0);
	snprintf(first, sizeof first,
	    "dmm: write past the end: %p (48 bytes)\n  at %p, 1 byte past the end, in thread ",
	    (void *)guarded, (void *)(guarded + 48));
	snprintf(second, sizeof second,
	    "dmm: access before the start: %p (48 bytes)\n  at %p, 2 bytes before the start, in "
	    "thread ",
	    (void *)guarded, (void *)(guarded - 2));
	assert_ptr_equal(once(said, first), said);
	assert_true(once(said, second) > said);
}

TEST(each_access_to_a_guarded_object_is_told_once_if_the_process_goes_on)
{
	char *all[16];

	purge_by(PURGE_BY_CLOCK);
	slab_settings_obey("guarded:1,guarded_every:1", NULL, NULL);
	assert_true(slab_start_on(&os_linux));
	for (size_t i = 0; i < 16; i++) { /* at either end of its room */
		all[i] = guarded = slab_malloc(48);
		tells();
	}
	for (size_t i = 0; i < 16; i++)
		slab_free(all[i]);
	slab_shut_down();
}
