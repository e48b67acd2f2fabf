/* guard_large_test.c - large objects between guards, and their quarantine. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/bits.h"
#include "os/os.h"
#include "fake_kernel.h"
#include "slab/guard_large.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "test.h"

#define HARDENED "hardened,guarded:0,readonly_conf:0"
static const size_t KIB = 1 << 10;

static bool all(const char *p, size_t n, char what)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != what)
			return false;
	return true;
}

static void write_at(void *arg)
{
	*(volatile char *)arg = 1;
}

TEST(a_guard_stands_on_both_sides_of_every_large_object)
{
	paper_begin("guard_large:1,guarded:0");
	for (size_t n = 48 * KIB; n < 3000 * KIB; n = n * 2 + 4 * KIB) {
		char *const p = slab_malloc(n);
		memset(p, 1, n);
		test_dies_by(write_at, p + round_up(n, 4096), SIGSEGV);
		test_dies_by(write_at, p - 1, SIGSEGV);
		test_dies_by(write_at, p - GRANULE, SIGSEGV);
		char *const q = slab_realloc(p, n + 5000);
		assert_true(all(q, n, 1));
		memset(q, 1, n + 5000);
		test_dies_by(write_at, q + round_up(n + 5000, 4096), SIGSEGV);
		char *const r = slab_realloc(q, n / 4 * 3);
		assert_true(all(r, n / 4 * 3, 1));
		test_dies_by(write_at, r + round_up(n / 4 * 3, 4096), SIGSEGV);
		slab_free(r);
	}
	/* What is free again has no guards: slabs may come to lie there. */
	for (int i = 0; i < 4000; i++)
		memset(slab_malloc(3000), 1, 3000);
	paper_sound();
	paper_end();
}

TEST(a_large_object_that_was_freed_waits_inaccessible_and_without_memory)
{
	for (int advice = 0; advice < 2; advice++) {
		paper_no_guards = advice == 0;
		paper_begin(HARDENED);
		char *const p = slab_malloc(200 * KIB);
		memset(p, 1, 200 * KIB);
		slab_free(p);
		test_dies_by(write_at, p, SIGSEGV);
		test_dies_by(write_at, p + 200 * KIB - 1, SIGSEGV);
		assert_true(root.waiting >= 200 * KIB / GRANULE);
		for (int i = 0; i < 200; i++) {
			char *const q = slab_malloc(200 * KIB);
			assert_ptr_not_equal(q, p);
			slab_free(q);
		}
		assert_true(guard_large_release_all());
		assert_int_equal(root.waiting, 0);
		char *const q = slab_malloc(200 * KIB);
		assert_true(all(q, 200 * KIB, 0));
		memset(q, 1, 200 * KIB);
		slab_free(q);
		paper_sound();
		paper_end();
	}
	paper_no_guards = false;
}

static int asked_of_the_system;

static int count_advice(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	asked_of_the_system++;
	return os_linux.advise(ctx, p, len, what);
}

static int count_purge(void *ctx, void *p, size_t len)
{
	asked_of_the_system++;
	return os_linux.purge(ctx, p, len);
}

/* git inflates 8,000 objects through a window of 32 KiB each. */
TEST(a_window_of_32_KiB_takes_no_system_call)
{
	paper_begin(HARDENED);
	for (int i = 0; i < 400; i++)
		slab_free(slab_malloc(32 * KIB));
	paper.os.advise = count_advice;
	paper.os.purge = count_purge;
	asked_of_the_system = 0;
	for (int i = 0; i < 100; i++) {
		char *const p = slab_malloc(32 * KIB);
		assert_true(all(p, 32 * KIB, 0));
		assert_int_equal(slab_usable(p), 32 * KIB);
		slab_free(memset(p, 1, 32 * KIB));
	}
	assert_int_equal(asked_of_the_system, 0);
	paper_sound();
	paper_end();
}

TEST(large_objects_of_one_length_take_two_system_calls_each)
{
	paper_begin(HARDENED);
	if (!hardening.guard_advice) { /* before Linux 6.13 */
		paper_end();
		return;
	}
	for (int i = 0; i < 400; i++)
		slab_free(slab_malloc(40 * KIB));
	paper.os.advise = count_advice;
	paper.os.purge = count_purge;
	asked_of_the_system = 0;
	for (int i = 0; i < 100; i++) {
		char *const p = slab_malloc(40 * KIB);
		assert_true(all(p, 40 * KIB, 0));
		test_dies_by(write_at, p - 1, SIGSEGV);
		test_dies_by(write_at, p + 40 * KIB, SIGSEGV);
		slab_free(memset(p, 1, 40 * KIB));
		test_dies_by(write_at, p, SIGSEGV);
	}
	assert_int_equal(asked_of_the_system, 200);
	assert_true(guard_large_release_all());
	assert_int_equal(root.waiting, 0);
	paper_sound();
	paper_end();
}

static int refusals;

static int refuse_once(void *ctx, void *p, size_t len, enum dmm_protect how)
{
	return refusals-- > 0 ? -ENOMEM : os_linux.protect(ctx, p, len, how);
}

/* Past vm.max_map_count the kernel refuses to make it accessible. */
TEST(a_waiting_object_that_stays_inaccessible_is_never_given_out)
{
	paper_no_guards = true;
	paper_begin(HARDENED);
	slab_free(slab_malloc(200 * KIB));
	paper.os.protect = refuse_once;
	refusals = 1;
	assert_true(guard_large_release_all());
	for (int i = 0; i < 100; i++)
		memset(slab_malloc(100 * KIB), 1, 100 * KIB);
	for (int i = 0; i < 400; i++) /* the same for those that left the quarantine */
		slab_free(slab_malloc(100 * KIB));
	refusals = 1;
	for (int i = 0; i < 400; i++)
		slab_free(memset(slab_malloc(100 * KIB), 1, 100 * KIB));
	paper_end();
	paper_no_guards = false;
}

TEST(large_objects_keep_their_contents_their_end_and_clear_what_they_leave)
{
	paper_begin(HARDENED);
	for (size_t n = 34000; n < 3000 * KIB; n += n / 2 + 777) {
		char *const p = slab_malloc(n);
		memset(p, 3, n);
		char *const less = slab_realloc(p, n - 500);
		assert_true(all(less, n - 500, 3));
		assert_ptr_equal(less, p);
		assert_int_equal(slab_usable(less), n - 500);
		char *const more = slab_realloc(less, n + 100);
		assert_true(more == less || n % GRANULE > GRANULE - 4096 - 100);
		assert_true(all(more, n - 500, 3));
		assert_true(all(more + n - 500, 600, 0)); /* neither old bytes nor a canary */
		memset(more, 3, n + 100);
		char *const wall = slab_malloc(40000);
		char *const far = slab_realloc(more, n * 2 + 5);
		assert_true(all(far, n + 100, 3));
		assert_true(all(far + n + 100, n - 95, 0));
		char *const fresh = slab_malloc(n);
		assert_true(all(fresh, n, 0)); /* whoever was there */
		slab_free(fresh);
		slab_free(far);
		slab_free(wall);
		paper_sound();
	}
	slab_trim(0);
	assert_true(used_granules() < 200);
	paper_end();
}

static size_t granules_of(const char *p)
{
	return slab_at(((uintptr_t)p - root.base) >> GRANULE_SHIFT)->run;
}

TEST(what_grows_has_room_to_grow_again_but_not_beyond_2_gib)
{
	static const size_t MIB = 1 << 20;

	paper_begin("guard_large:1,guarded:0");
	char *p = slab_realloc(slab_malloc(400 * MIB), 900 * MIB);
	assert_in_range(granules_of(p), 1340 * MIB / GRANULE, 1360 * MIB / GRANULE);
	slab_free(p);
	p = slab_realloc(slab_malloc(400 * MIB), 1360 * MIB); /* half as much again is just less */
	assert_in_range(granules_of(p), 2035 * MIB / GRANULE, 2047 * MIB / GRANULE);
	slab_free(p);
	p = slab_realloc(slab_malloc(400 * MIB), 1370 * MIB);
	assert_in_range(granules_of(p), 1370 * MIB / GRANULE, 1371 * MIB / GRANULE);
	slab_free(p);
	paper_sound();
	paper_end();
}

static enum granule_kind kind_when_purged;

static int purge_and_look(void *ctx, void *p, size_t len)
{
	kind_when_purged = kind_of(slab_at(((uintptr_t)p - root.base) >> GRANULE_SHIFT));
	return os_linux.purge(ctx, p, len);
}

TEST(what_realloc_moved_away_from_is_free_before_its_memory_goes)
{
	paper_begin("zero_on_free:1,guarded:0");
	paper.os.purge = purge_and_look;
	paper.no_move = true;
	char *const p = slab_malloc(1024 * KIB);
	slab_malloc(100 * KIB);
	assert_ptr_not_equal(slab_realloc(p, 4096 * KIB), p);
	assert_int_equal(kind_when_purged, GRANULE_FREED); /* whoever frees p now is told */
	paper_end();
}
