/* space_test.c - what bins and gnu do to need less: tiny chunks, runs, the top, realloc in
 * place. */
#include <string.h>

#include "base/bits.h"
#include "base/crash.h"
#include "os/os.h"
#include "system/heap.h"
#include "system/policy/params.h"
#include "system/systems.h"
#include "test.h"

struct fixture {
	struct os_arena arena;
	struct heap heap;
};

static void begin_in(struct fixture *f, const struct dmm_system *sys, const char *conf,
    size_t heap_len)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;

	assert_true(params_parse(&params, sys, conf, &e));
	assert_int_equal(os_arena_open(&f->arena, 0, heap_len, (size_t)1 << 26), 0);
	assert_int_equal(heap_open(&f->heap, sys, &params, &f->arena.os), 0);
}

static void begin(struct fixture *f, const struct dmm_system *sys, const char *conf)
{
	begin_in(f, sys, conf, (size_t)1 << 26);
}

static void sound(struct fixture *f)
{
	struct dmm_fault why = {0};

	if (!heap_check(&f->heap, &why))
		fail_msg("%s at %p: %llu, not %llu", why.rule, (void *)why.addr,
		    (unsigned long long)why.found, (unsigned long long)why.wanted);
}

static void end(struct fixture *f)
{
	sound(f);
	heap_close(&f->heap);
	os_arena_close(&f->arena);
}

#define TINY "reuse:footer,min_chunk:16"

/* ---- min_chunk:16 */

TEST(a_tiny_object_costs_16_bytes)
{
	struct fixture f;

	begin(&f, &system_bins, TINY);
	char *before = heap_malloc(&f.heap, 8);
	for (int i = 0; i < 100; i++) {
		char *const p = heap_malloc(&f.heap, (size_t)i % 9);
		assert_ptr_equal(p, before + 16);
		assert_int_equal(heap_usable(&f.heap, p), 8);
		before = p;
	}
	end(&f);
}

enum { MANY = 64 };

/* Free in an order that leaves tiny chunks alone, next to one another, and at both ends: each is
 * unlinked from the middle of the list when a neighbour is freed. */
TEST(tiny_chunks_are_found_by_their_neighbours_and_merge)
{
	static const char *const confs[] = {TINY, TINY ",fit:address", TINY ",fit:next",
	    TINY ",coalesce:8"};
	struct fixture f;
	void *p[MANY];

	for (size_t c = 0; c < sizeof confs / sizeof *confs; c++)
		for (size_t step = 1; step < MANY; step += 2) { /* odd, so it meets all */
			begin(&f, &system_bins, confs[c]);
			for (size_t i = 0; i < MANY; i++)
				p[i] = heap_malloc(&f.heap, i % 3 == 0 ? 20 : 8);
			for (size_t i = 0, k = 0; i < MANY; i++, k = (k + step) % MANY) {
				heap_free(&f.heap, p[k]);
				sound(&f);
			}
			const size_t footprint = os_arena_footprint(&f.arena);
			assert_non_null(heap_malloc(&f.heap, 60000)); /* all is one chunk again */
			assert_int_equal(os_arena_footprint(&f.arena), footprint);
			end(&f);
		}
}

TEST(a_freed_tiny_chunk_is_given_out_again)
{
	struct fixture f;

	begin(&f, &system_bins, TINY);
	void *const a = heap_malloc(&f.heap, 1), *const b = heap_malloc(&f.heap, 100);
	heap_free(&f.heap, a);
	assert_ptr_equal(heap_malloc(&f.heap, 8), a);
	heap_free(&f.heap, b);
	end(&f);
}

/* Two links of 31 bits reach 32 GiB: farther on the smallest chunk has room for whole ones. */
TEST(no_chunk_is_tiny_beyond_32_GiB)
{
	struct fixture f;

	begin_in(&f, &system_bins, TINY ",grow_min:4096", (size_t)64 << 30);
	char *const near = heap_malloc(&f.heap, 8);
	assert_non_null(heap_malloc(&f.heap, 4000)); /* the rest of the page */
	/* somebody else */
	f.arena.brk = (char *)round_up((uintptr_t)f.arena.brk, 4096) + ((size_t)33 << 30);
	char *p[MANY];
	for (size_t i = 0; i < MANY; i++) {
		p[i] = heap_malloc(&f.heap, i % 2 == 0 ? 8 : 30);
		assert_true(p[i] > near + ((size_t)33 << 30) || p[i] < near + 4096);
		assert_true(heap_usable(&f.heap, p[i]) >= (p[i] < near + 4096 ? 8 : 24));
	}
	for (size_t i = 0; i < MANY; i++) {
		heap_free(&f.heap, p[i * 7 % MANY]);
		sound(&f);
	}
	end(&f);
}

TEST(a_smallest_chunk_of_16_bytes_needs_the_8_byte_layout)
{
	struct dmm_params params = system_bins.defaults;
	struct conf_error e;

	assert_false(params_parse(&params, &system_bins, "min_chunk:16", &e));
	assert_non_null(strstr(e.text, "needs reuse:footer"));
	assert_true(params_parse(&params, &system_bins, TINY, &e));
	params = system_gnu.defaults;
	assert_true(params_parse(&params, &system_gnu, "min_chunk:16", &e));
}

/* ---- runs */

enum { TRIAL = 16 }; /* RUN_TRIAL objects have chunks of their own */

static void begin_with_a_run(struct fixture *f, const char *conf)
{
	begin(f, &system_bins, conf);
	for (int i = 0; i < TRIAL; i++)
		assert_non_null(heap_malloc(&f->heap, 16));
}

TEST(objects_in_a_run_have_no_header)
{
	static const char *const confs[] = {"runs:64", "runs:64,reuse:links",
	    "runs:64,reuse:footer"};
	struct fixture f;

	for (size_t c = 0; c < 3; c++) {
		begin_with_a_run(&f, confs[c]);
		char *before = heap_malloc(&f.heap, 16);
		for (int i = 0; i < 100; i++) {
			char *const p = heap_malloc(&f.heap, 9 + (size_t)i % 8);
			assert_ptr_equal(p, before + 16);
			assert_int_equal(heap_usable(&f.heap, p), 16);
			before = p;
		}
		end(&f);
	}
}

TEST(what_a_header_costs_nothing_has_a_chunk)
{
	struct fixture f;

	begin_with_a_run(&f, "runs:64,reuse:footer");
	char *const in_run = heap_malloc(&f.heap, 16);
	for (int i = 0; i < 4 * TRIAL; i++)
		assert_int_equal(heap_usable(&f.heap, heap_malloc(&f.heap, 24)), 24); /* 24 + 8 */
	assert_ptr_equal(heap_malloc(&f.heap, 16), in_run + 16);
	end(&f);
}

struct misuse {
	struct fixture *f;
	char *p;
};

static void free_it(void *arg)
{
	const struct misuse *const m = arg;
	heap_free(&m->f->heap, m->p);
}

TEST(a_second_free_and_an_address_inside_are_seen_by_the_bits_of_a_run)
{
	struct fixture f;
	char said[100];

	begin_with_a_run(&f, "runs:64");
	char *const first = heap_malloc(&f.heap, 16), *const p = heap_malloc(&f.heap, 16);
	heap_free(&f.heap, p);
	crash_format(said, sizeof said, "dmm: double free: %p (16 bytes)\n", p);
	test_aborts_saying(free_it, &(struct misuse){&f, p}, said);
	static const int wrong[] = {8, -1, 1, -16, 4000};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct misuse m = {&f, first + wrong[i]};
		crash_format(said, sizeof said, "dmm: invalid free: %p (no chunk of this heap)\n",
		    m.p);
		test_aborts_saying(free_it, &m, said);
	}
	end(&f);
}

TEST(an_empty_run_is_a_free_chunk_again)
{
	struct fixture f;
	char *p[2000];

	begin_with_a_run(&f, "runs:16,grow_min:4096");
	for (size_t i = 0; i < 2000; i++)
		p[i] = heap_malloc(&f.heap, 16);
	const size_t footprint = os_arena_footprint(&f.arena);
	for (size_t i = 0; i < 2000; i++)
		heap_free(&f.heap, p[i * 7 % 2000]);
	sound(&f);
	assert_non_null(heap_malloc(&f.heap, 7 * 4096)); /* of 8 runs */
	assert_int_equal(os_arena_footprint(&f.arena), footprint);
	end(&f);
}

/* 4,096 runs are noted in the state; more of them need a map, which moves when it grows. */
TEST(runs_may_fill_a_large_heap)
{
	enum { OBJECTS = 3 << 20 };
	static void *p[OBJECTS];
	struct fixture f;

	begin_with_a_run(&f, "runs:16");
	for (size_t i = 0; i < OBJECTS; i++)
		assert_non_null(p[i] = heap_malloc(&f.heap, 16));
	sound(&f);
	assert_true(os_arena_footprint(&f.arena) < OBJECTS * 16 * 103ull / 100);
	for (size_t i = 0; i < OBJECTS; i++)
		heap_free(&f.heap, p[i]);
	end(&f);
}

/* No memory for a map or a run: the object gets a chunk. */
TEST(where_a_run_cannot_be_begun_a_chunk_serves)
{
	struct fixture f;

	begin_with_a_run(&f, "runs:256,grow_min:16");
	for (size_t n = 256; n != 16 - 48ul; n -= 48) { /* down to the last hole */
		for (char *p; (p = heap_malloc(&f.heap, n)) != NULL;)
			memset(p, 0x5a, n);
		sound(&f);
	}
	end(&f);
}

TEST(realloc_leaves_a_run_and_comes_back)
{
	struct fixture f;

	begin_with_a_run(&f, "runs:64");
	char *p = heap_malloc(&f.heap, 16);
	memcpy(p, "fifteen letters", 16);
	assert_ptr_equal(heap_realloc(&f.heap, p, 12), p);
	for (size_t n = 17; n < 200; n += 11) {
		p = heap_realloc(&f.heap, p, n);
		assert_string_equal(p, "fifteen letters");
		sound(&f);
	}
	p = heap_realloc(&f.heap, p, 16);
	assert_string_equal(p, "fifteen letters");
	heap_free(&f.heap, p);
	end(&f);
}

/* ---- the top, and realloc in place */

static const struct dmm_system *const with_tags[] = {&system_list, &system_dlist, &system_bins,
    &system_gnu};

TEST(an_object_at_the_top_of_the_heap_grows_where_it_is)
{
	struct fixture f;

	for (size_t s = 0; s < 4; s++) {
		begin(&f, with_tags[s], "grow_min:4096");
		/* nothing, or little, is free after it */
		char *const p = heap_malloc(&f.heap, 4000);
		for (size_t n = 4000; n < 100000; n += 1000) {
			assert_ptr_equal(heap_realloc(&f.heap, p, n), p);
			sound(&f);
		}
		assert_true(os_arena_footprint(&f.arena) < 99000 + 4 * 4096);
		end(&f);
	}
}

/* Temporary objects beside a growing object take the hole below it, not the top above it. */
TEST(small_objects_do_not_stand_in_the_way_of_one_that_grows)
{
	struct fixture f;

	for (size_t s = 2; s < 4; s++)
		for (int deferred = 0; deferred < 2; deferred++) {
			begin(&f, with_tags[s], deferred ? "coalesce:8,grow_min:4096"
			    : "coalesce:now,grow_min:4096");
			size_t n = 512;
			char *grows = heap_malloc(&f.heap, n), *beside = heap_malloc(&f.heap, 128);
			for (int i = 0; i < 600; i++) {
				assert_non_null(grows = heap_realloc(&f.heap, grows, n += 128));
				char *const next = heap_malloc(&f.heap, 128);
				heap_free(&f.heap, beside);
				beside = next;
			}
			assert_true(f.arena.peak_bytes < n + 6 * 4096);
			end(&f);
		}
}

TEST(realloc_moves_into_the_free_chunk_before)
{
	struct fixture f;

	for (size_t s = 2; s < 4; s++) {
		begin(&f, with_tags[s], "coalesce:now");
		char *const a = heap_malloc(&f.heap, 1000), *b = heap_malloc(&f.heap, 1000);
		char *const c = heap_malloc(&f.heap, 1000);
		for (size_t i = 0; i < 1000; i++)
			b[i] = (char)i;
		heap_free(&f.heap, a);
		b = heap_realloc(&f.heap, b, 1800);
		assert_ptr_equal(b, a);
		for (size_t i = 0; i < 1000; i++)
			assert_int_equal(b[i], (char)i);
		heap_free(&f.heap, c);
		end(&f);
	}
}

TEST(the_heap_grows_by_what_its_free_top_lacks)
{
	struct fixture f;

	for (size_t s = 1; s < 4; s++) {
		begin(&f, with_tags[s], "grow_min:4096");
		void *const a = heap_malloc(&f.heap, 64);
		heap_free(&f.heap, heap_malloc(&f.heap, 50000));
		const size_t footprint = os_arena_footprint(&f.arena);
		assert_non_null(heap_malloc(&f.heap, 60000));
		assert_true(os_arena_footprint(&f.arena) <= footprint + 10000 + 4096);
		heap_free(&f.heap, a);
		end(&f);
	}
}

/* ---- gnu: the heap or a mapping */

TEST(gnu_uses_the_room_of_what_was_freed_before_it_maps)
{
	struct fixture f;
	enum { LEN = 200 << 10, OBJECTS = 4000, EACH = 100 };
	void *p[OBJECTS];

	begin(&f, &system_gnu, "grow_min:4k");
	for (int i = 0; i < OBJECTS; i++)
		p[i] = heap_malloc(&f.heap, EACH);
	void *const last = heap_malloc(&f.heap, EACH); /* so that the top is not given back */
	for (int i = 0; i < OBJECTS; i++)
		heap_free(&f.heap, p[i]); /* they wait to be merged */
	const size_t before = os_arena_footprint(&f.arena);
	char *const large = heap_malloc(&f.heap, LEN);
	assert_true(large < f.arena.heap_end);
	assert_true(os_arena_footprint(&f.arena) <= before);
	char *const mapped = heap_malloc(&f.heap, (size_t)4 << 20); /* there is no such room */
	assert_true(mapped >= f.arena.heap_end);
	heap_free(&f.heap, large);
	heap_free(&f.heap, mapped);
	heap_free(&f.heap, last);
	end(&f);
}
