/* tcache_test.c - glibc's rules of its cache: 7 chunks of each size, of 32 to 1040 bytes, the last
 * one freed is the first one taken. */
#include "replay/tcache.h"

#include "test.h"

static void *pop(struct tcache *t, enum trace_op op, uint64_t size, unsigned align_log2)
{
	return tcache_pop(
	    t, &(struct replay_op){.op = op, .size = size, .align_log2 = align_log2});
}

TEST(seven_of_a_size_are_cached_and_taken_last_first)
{
	static char objects[8];
	struct tcache t = {0};

	for (size_t i = 0; i < 7; i++)
		assert_true(tcache_push(&t, &objects[i], 100));
	assert_false(tcache_push(&t, &objects[7], 100));
	for (size_t i = 7; i-- > 0;)
		assert_ptr_equal(pop(&t, TRACE_OP_MALLOC, 100, 0), &objects[i]);
	assert_null(pop(&t, TRACE_OP_MALLOC, 100, 0));
}

/* A chunk has 8 bytes of header, and its size is a multiple of 16. */
TEST(requests_of_one_chunk_size_share_a_bin)
{
	assert_int_equal(tcache_bin(0), tcache_bin(24));
	assert_int_equal(tcache_bin(25), tcache_bin(24) + 1);
	assert_int_equal(tcache_bin(25), tcache_bin(40));
	assert_int_equal(tcache_bin(41), tcache_bin(40) + 1);
	assert_int_equal(tcache_bin(1032), TCACHE_BINS - 1);
	assert_int_equal(tcache_bin(1033), TCACHE_BINS);
	assert_int_equal(tcache_bin(UINT64_MAX), TCACHE_BINS);
}

TEST(calloc_and_aligned_requests_take_nothing_and_large_ones_are_not_cached)
{
	static char object;
	struct tcache t = {0};

	assert_false(tcache_push(&t, NULL, 100));
	assert_false(tcache_push(&t, &object, 1033));
	assert_true(tcache_push(&t, &object, 1032));
	assert_null(pop(&t, TRACE_OP_CALLOC, 1032, 0));
	assert_null(pop(&t, TRACE_OP_MEMALIGN, 1032, 6));
	assert_null(pop(&t, TRACE_OP_MALLOC, 1016, 0));
	assert_ptr_equal(pop(&t, TRACE_OP_NEW, 1032, 0), &object);
}

TEST(without_a_cache_nothing_is_cached)
{
	static char object;

	assert_false(tcache_push(NULL, &object, 100));
	assert_null(pop(NULL, TRACE_OP_MALLOC, 100, 0));
}
