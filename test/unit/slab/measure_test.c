/* measure_test.c - the sums of slab_measure() are those of a walk, piece by piece. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/measure.h"
#include "slab/system.h"
#include "test.h"

struct sums {
	uintptr_t from, end; /* payload */
	size_t bytes[4], live_pieces;
};

static int add(void *arg, const struct dmm_piece *piece)
{
	struct sums *const s = arg;
	if (piece->addr < s->from || piece->addr >= s->end)
		return 0;
	s->bytes[piece->kind] += piece->len;
	s->live_pieces += piece->kind == DMM_LIVE;
	return 0;
}

static void expect_the_sums_of_a_walk(void)
{
	struct sums walk = {.from = root.base, .end = root.base + (size_t)root.chunk_count *
	    HUGE_PAGE_SIZE};
	struct slab_sums m;

	assert_int_equal(slab_walk(add, &walk), 0);
	slab_measure(&m);
	assert_int_equal(m.live, walk.bytes[DMM_LIVE]);
	assert_int_equal(m.live_pieces, walk.live_pieces);
	assert_int_equal(m.free, walk.bytes[DMM_FREE]);
	assert_int_equal(m.lost, walk.bytes[DMM_PAD]);
	assert_int_equal(m.live + m.free + m.lost, root.payload_mapped);
	assert_int_equal(m.dirty, root.dirty * GRANULE);
	assert_true(m.dirty <= m.free);
}

TEST(what_is_measured_is_what_a_walk_tells)
{
	enum { COUNT = 20000, ROUNDS = 60000 };
	static void *p[COUNT];
	struct rng rng = {4711};

	paper_begin("guarded:0");
	expect_the_sums_of_a_walk();
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t r = rng_next(&rng);
		const size_t i = r % COUNT, n = r % 37 == 0 ? (r >> 20) % 300000 : (r >> 20) % 900;
		slab_free(p[i]);
		p[i] = (r >> 50) % 3 == 0 ? NULL : slab_malloc(n);
		if (round % 10000 == 0)
			expect_the_sums_of_a_walk();
	}
	expect_the_sums_of_a_walk();
	slab_trim(0);
	expect_the_sums_of_a_walk();
	for (int i = 0; i < COUNT; i++)
		slab_free(p[i]);
	expect_the_sums_of_a_walk();
	paper_end();
}

TEST(of_a_heap_that_never_began_nothing_is_measured)
{
	struct slab_sums m;

	slab_measure(&m);
	assert_int_equal(m.live + m.free + m.lost + m.tables, 0);
}
