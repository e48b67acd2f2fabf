/* policy_test.c - the techniques of the appendix, each by what it is there for. */
#include <string.h>

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

static void begin(struct fixture *f, const struct dmm_system *sys, const char *conf)
{
	struct dmm_params params = sys->defaults;
	struct conf_error e;

	assert_true(params_parse(&params, sys, conf, &e));
	assert_int_equal(os_arena_open(&f->arena, 0, (size_t)1 << 26, (size_t)1 << 26), 0);
	assert_int_equal(heap_open(&f->heap, sys, &params, &f->arena.os), 0);
}

static void end(struct fixture *f)
{
	struct dmm_fault why;

	assert_true(heap_check(&f->heap, &why));
	heap_close(&f->heap);
	os_arena_close(&f->arena);
}

enum { CHUNKS = 8 };

/* Free chunks of n bytes in order of address, no two adjacent; some[i] is the i-th. */
static void make_free(struct fixture *f, const size_t n[CHUNKS], void *some[CHUNKS])
{
	for (int i = 0; i < CHUNKS; i++) {
		some[i] = heap_malloc(&f->heap, n[i]);
		heap_malloc(&f->heap, 16);
	}
	for (int i = 0; i < CHUNKS; i++)
		heap_free(&f->heap, some[i]);
}

static const size_t equal[CHUNKS] = {160, 160, 160, 160, 160, 160, 160, 160};

TEST(next_fit_goes_on_where_the_last_search_ended)
{
	struct fixture f;
	void *some[CHUNKS], *got[CHUNKS];

	begin(&f, &system_dlist, "fit:next");
	make_free(&f, equal, some);
	for (int i = 0; i < CHUNKS; i++) {
		got[i] = heap_malloc(&f.heap, 160);
		heap_free(&f.heap, got[i]);
		for (int k = 0; k < i; k++)
			assert_ptr_not_equal(got[i], got[k]);
	}
	end(&f);
}

TEST(first_fit_takes_what_was_freed_last_and_address_order_the_lowest)
{
	struct fixture f;
	void *some[CHUNKS];

	begin(&f, &system_dlist, "fit:first");
	make_free(&f, equal, some);
	assert_ptr_equal(heap_malloc(&f.heap, 160), some[CHUNKS - 1]);
	end(&f);
	begin(&f, &system_dlist, "fit:address");
	make_free(&f, equal, some);
	assert_ptr_equal(heap_malloc(&f.heap, 160), some[0]);
	end(&f);
}

TEST(best_fit_takes_the_smallest_that_is_large_enough)
{
	static const size_t sizes[CHUNKS] = {640, 320, 160, 480, 80, 960, 240, 400};
	struct fixture f;
	void *some[CHUNKS];

	begin(&f, &system_dlist, "fit:best");
	make_free(&f, sizes, some);
	assert_ptr_equal(heap_malloc(&f.heap, 200), some[6]);
	assert_ptr_equal(heap_malloc(&f.heap, 160), some[2]);
	end(&f);
}

TEST(a_chunk_is_split_only_above_split_min)
{
	struct fixture f;
	static const size_t sizes[CHUNKS] = {640, 160, 160, 160, 160, 160, 160, 160};
	void *some[CHUNKS];

	for (int selective = 0; selective < 2; selective++) {
		begin(&f, &system_dlist, selective ? "fit:best,split_min:512" : "fit:best");
		make_free(&f, sizes, some);
		assert_ptr_equal(heap_malloc(&f.heap, 300), some[0]);
		assert_int_equal(heap_usable(&f.heap, some[0]), selective ? 640 : 304);
		end(&f);
	}
}

/* The waiting chunks stay within the bound, and all of them are merged before the heap grows. */
TEST(deferred_coalescing_is_bounded_and_merges_before_the_heap_grows)
{
	enum { OBJECTS = 1000, LEN = 96 };
	struct fixture f;
	void *p[OBJECTS];

	begin(&f, &system_dlist, "coalesce:deferred,grow_min:4096");
	for (int i = 0; i < OBJECTS; i++)
		p[i] = heap_malloc(&f.heap, LEN);
	const size_t full = f.arena.heap_bytes;
	for (int i = 0; i < OBJECTS; i++)
		heap_free(&f.heap, p[i]);
	void *const all = heap_malloc(&f.heap, OBJECTS * LEN); /* only what merged can hold it */
	assert_non_null(all);
	assert_int_equal(f.arena.heap_bytes, full);
	end(&f);

	begin(&f, &system_dlist, "coalesce:8");
	for (int i = 0; i < 8; i++)
		p[i] = heap_malloc(&f.heap, LEN);
	for (int i = 0; i < 7; i++)
		heap_free(&f.heap, p[i]);
	/* the rest alone */
	assert_null(heap_next_free(&f.heap, 0, heap_next_free(&f.heap, 0, NULL)));
	heap_free(&f.heap, p[7]);                                              /* the eighth */
	const void *const first = heap_next_free(&f.heap, 0, NULL);
	assert_non_null(first);
	assert_null(heap_next_free(&f.heap, 0, first)); /* one chunk: all merged */
	assert_true(heap_usable(&f.heap, first) > 8 * LEN);
	end(&f);
}

/* Once a mapping of that size was freed, the heap section serves it. */
TEST(the_mmap_threshold_follows_what_is_freed_unless_it_is_fixed)
{
	enum { LARGE = 300000 };
	struct fixture f;

	for (int fixed = 0; fixed < 2; fixed++) {
		begin(&f, &system_gnu, fixed ? "mmap_threshold:128k" : "mmap_threshold:adaptive");
		heap_free(&f.heap, heap_malloc(&f.heap, 16)); /* the heap begins */
		const size_t before = f.arena.map_bytes;
		void *const p = heap_malloc(&f.heap, LARGE);
		assert_true(f.arena.map_bytes >= before + LARGE);
		heap_free(&f.heap, p);
		assert_int_equal(f.arena.map_bytes, before);
		assert_non_null(heap_malloc(&f.heap, LARGE));
		assert_int_equal(f.arena.map_bytes > before, fixed);
		end(&f);
	}
}

TEST(what_is_free_at_the_top_beyond_trim_threshold_goes_back)
{
	struct fixture f;

	for (int never = 0; never < 2; never++) {
		begin(&f, &system_gnu, never
		        ? "trim_threshold:never,mmap_threshold:never"
		        : "trim_threshold:64k,mmap_threshold:never,grow_min:4096");
		void *const p = heap_malloc(&f.heap, 1 << 20);
		const size_t full = f.arena.heap_bytes;
		heap_free(&f.heap, p);
		assert_int_equal(f.arena.heap_bytes < 64 << 10, !never);
		assert_true(f.arena.heap_bytes <= full);
		end(&f);
	}
}

/* ---- segregated metadata --------------------------------------------------------------------- */

static int sum_kinds(void *arg, const struct dmm_piece *p)
{
	size_t *const bytes = arg;
	bytes[p->kind] += p->len;
	return 0;
}

/* Also just after the table has doubled, when most of it is empty. */
TEST(segmeta_has_at_most_2_percent_of_metadata_for_objects_of_64_bytes_and_more)
{
	static const size_t sizes[] = {64, 65, 100, 128, 500, 1024, 2048, 4096, 5000, 100000};
	enum { LEAST = 1 << 20, MOST = 5 << 20, STEP = 128 << 10 };
	struct fixture f;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t asked = 0, look_at = LEAST;
		begin(&f, &system_segmeta, "");
		for (; asked < MOST; asked += sizes[i]) {
			assert_non_null(heap_malloc(&f.heap, sizes[i]));
			if (asked < look_at)
				continue;
			look_at += STEP;
			size_t bytes[4] = {0};
			heap_walk(&f.heap, sum_kinds, bytes);
			if (bytes[DMM_META] * 50 > bytes[DMM_LIVE])
				fail_msg("%zu bytes of metadata for %zu in objects of %zu",
				    bytes[DMM_META],
				    bytes[DMM_LIVE], sizes[i]);
		}
		end(&f);
	}
}

/* The heap may grow by less than a chunk needs for its links. */
TEST(the_last_object_grows_in_place_by_the_least_there_is)
{
	static const struct dmm_system *const systems[] = {&system_dlist, &system_bins,
	    &system_gnu};
	static const char *const confs[] = {"grow_min:16,reuse:none", "grow_min:16,reuse:links",
	    "grow_min:16,reuse:footer", "grow_min:32,reuse:none",
	    "grow_min:16,reuse:none,fit:address",
	    "grow_min:16,reuse:links,fit:next", "grow_min:16,reuse:none,footer:check"};
	struct dmm_fault why;
	struct fixture f;
	void *some[CHUNKS];

	for (size_t s = 0; s < sizeof systems / sizeof *systems; s++)
		for (size_t c = 0; c < sizeof confs / sizeof *confs; c++) {
			begin(&f, systems[s], confs[c]);
			make_free(&f, (const size_t[CHUNKS]){48, 64, 32, 80, 96, 32, 160, 16},
			    some);
			char *p = heap_malloc(&f.heap, 1000);
			for (size_t n = 1016; n < 1300; n += 16) {
				memset(p, 0x33, n - 16);
				p = heap_realloc(&f.heap, p, n);
				assert_non_null(p);
				assert_true(heap_check(&f.heap, &why));
			}
			end(&f);
		}
}

/* ---- footer:check, where another object's turn comes first */

struct overrun {
	struct fixture *f;
	char *s, *other;
};

static void spoil(const struct overrun *o)
{
	memset(o->s + heap_usable(&o->f->heap, o->s), 'A', sizeof(size_t));
}

static void grow_over(void *arg)
{
	const struct overrun *const o = arg;
	spoil(o);
	heap_malloc(&o->f->heap, 10000);
}

static void free_other(void *arg)
{
	const struct overrun *const o = arg;
	spoil(o);
	heap_free(&o->f->heap, o->other);
}

static void found_before(struct overrun *o, void (*act)(void *arg), const void *behind)
{
	char said[200];

	crash_format(said, sizeof said,
	    "dmm: overflow: the block before %p was written beyond its end\n", behind);
	test_aborts_saying(act, o, said);
}

static const char *const reuses[] = {"footer:check,grow_min:16,reuse:none",
    "footer:check,grow_min:16,reuse:links"};

/* The chunk of the new bytes, or one that waited, would merge with a neighbour whose size is no
 * size. */
TEST(an_overrun_is_named_before_the_heap_grows_or_what_waited_merges)
{
	static const struct dmm_system *const systems[] = {&system_dlist, &system_bins,
	    &system_gnu};
	char conf[100];
	struct fixture f;

	for (size_t i = 0; i < 6; i++) {
		const size_t overhead = i % 2 == 0 ? 32 : 16;
		crash_format(conf, sizeof conf, "%s,coalesce:now", reuses[i % 2]);
		begin(&f, systems[i / 2], conf);
		struct overrun o = {.f = &f, .s = heap_malloc(&f.heap, 1008 - overhead)};
		found_before(&o, grow_over, o.s + 1008);
		end(&f);
		crash_format(conf, sizeof conf, "%s,coalesce:deferred", reuses[i % 2]);
		begin(&f, systems[i / 2], conf);
		o.s = heap_malloc(&f.heap, 208 - overhead);
		o.other = heap_malloc(&f.heap, 208 - overhead);
		assert_ptr_equal(o.other, o.s + 208);
		heap_malloc(&f.heap, 16);
		heap_free(&f.heap, o.other);
		found_before(&o, grow_over, o.other);
		end(&f);
	}
}

/* A free looks beyond its own neighbours: free memory at the top goes back. */
TEST(an_overrun_of_the_last_object_is_named_when_another_is_freed)
{
	struct fixture f;

	for (size_t i = 0; i < 2; i++) {
		begin(&f, &system_gnu, reuses[i]);
		struct overrun o = {.f = &f, .other = heap_malloc(&f.heap, 2000)};
		o.s = heap_malloc(&f.heap, 1008 - (i == 0 ? 32 : 16));
		found_before(&o, free_other, o.s + 1008);
		end(&f);
	}
}
