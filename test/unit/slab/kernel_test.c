/* kernel_test.c - kernels that lack a call: without moving pages, without advice of any kind,
 * without purging. */
#include <errno.h>
#include <string.h>

#include "base/bits.h"
#include "base/rng.h"
#include "os/os.h"
#include "slab/fast.h"
#include "slab/init.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/system.h"
#include "test.h"

static unsigned advices, moves, purges;

static int no_advice(void *ctx, void *p, size_t len, enum dmm_advice what)
{
	(void)ctx, (void)p, (void)len, (void)what;
	advices++;
	return -EINVAL;
}

static int no_move(void *ctx, void *from, void *to, size_t len)
{
	(void)ctx, (void)from, (void)to, (void)len;
	moves++;
	return -EINVAL; /* before Linux 5.7 */
}

static int no_purge(void *ctx, void *p, size_t len)
{
	(void)ctx, (void)p, (void)len;
	purges++;
	return -EINVAL;
}

static void sound(void)
{
	struct dmm_fault why = {.rule = "(none)"};
	if (!slab_check_all(&why))
		fail_msg("broken rule '%s'", why.rule);
}

static void compare(const char *p, size_t n, char want)
{
	for (size_t i = 0; i < n; i += 61)
		assert_int_equal(p[i], want);
}

/* Small and large ones, growth by realloc across a move, calloc of what was purged. */
static void work(void)
{
	static char *object[3000];
	static size_t size[3000];
	struct rng r = {7};

	for (size_t i = 0; i < 3000; i++) {
		size[i] = i % 50 == 0 ? rng_below(&r, 3 << 20) + 1 : rng_below(&r, 5000) + 1;
		object[i] = slab_malloc(size[i]);
		assert_non_null(object[i]);
		memset(object[i], (char)i, size[i]);
	}
	for (size_t i = 0; i < 3000; i += 50) {
		object[i] = slab_realloc(object[i], size[i] * 3);
		assert_non_null(object[i]);
		compare(object[i], size[i], (char)i);
	}
	sound();
	for (size_t i = 0; i < 3000; i++)
		if (i % 3 != 0) {
			compare(object[i], size[i], (char)i);
			slab_free(object[i]);
		}
	purge_now(0);
	purge_now(0);
	sound();
	for (size_t i = 0; i < 3000; i++)
		if (i % 3 != 0) {
			object[i] = slab_calloc(1, size[i]);
			assert_non_null(object[i]);
			compare(object[i], size[i], 0);
		}
	for (size_t i = 0; i < 3000; i++) {
		compare(object[i], size[i], i % 3 != 0 ? 0 : (char)i);
		slab_free(object[i]);
	}
	purge_now(0);
	sound();
}

static void on(const struct dmm_os *os)
{
	purge_by(PURGE_BY_CLOCK);
	if (root.base != 0)
		slab_shut_down();
	advices = moves = purges = 0;
	assert_true(slab_start_on(os));
	work();
	slab_shut_down();
}

TEST(a_kernel_that_cannot_move_pages_gets_them_copied)
{
	struct dmm_os os = os_linux;
	os.move = NULL;
	on(&os);
	os.move = no_move;
	on(&os);
	assert_true(moves > 0);
}

TEST(a_kernel_without_huge_pages_populate_and_guards_works)
{
	struct dmm_os os = os_linux;
	os.advise = no_advice;
	on(&os);
	assert_true(advices > 0);
}

TEST(a_kernel_that_refuses_to_purge_leaves_the_memory_dirty_and_known_as_such)
{
	struct dmm_os os = os_linux;
	os.purge = no_purge;
	on(&os);
	assert_true(purges > 0);
}

TEST(a_kernel_with_none_of_these_calls_works)
{
	struct dmm_os os = os_linux;
	os.move = NULL;
	os.advise = no_advice;
	os.purge = no_purge;
	on(&os);
}
