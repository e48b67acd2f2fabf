/* heap_test.c - the C library's rules, over a toy system that records how it is called. */
#include "system/heap.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/os.h"
#include "test.h"

static const size_t TOY_LEN = (size_t)4 << 30;

/* A bump allocator whose payload is preceded by its size; free only counts. */
struct toy {
	char *at, *end;
	size_t allocs, frees, resizes;
	size_t largest_align;
	bool refuse;
	bool resizable;
	struct heap *heap;
	const struct dmm_os *os;
	char *start;
	bool unlocked; /* a call came in without the heap's lock */
};

static int toy_open(void *st, const struct dmm_params *params, const struct dmm_os *os)
{
	struct toy *t = st;
	if (params->split_min == 1)
		return -EINVAL;
	t->os = os;
	t->start = t->at = os->map(os->ctx, TOY_LEN, 4096);
	if (t->at == NULL)
		return -ENOMEM;
	t->end = t->at + TOY_LEN;
	return 0;
}

static void toy_close(void *st)
{
	struct toy *t = st;
	t->os->unmap(t->os->ctx, t->start, TOY_LEN);
}

static void toy_entered(struct toy *t)
{
	if (t->heap != NULL && !lock_is_held(&t->heap->lock))
		t->unlocked = true;
}

static void *toy_alloc(void *st, size_t n, size_t align)
{
	struct toy *t = st;
	toy_entered(t);
	t->largest_align = max_size(t->largest_align, align);
	if (t->refuse || n > ptr_diff(t->end, t->at) - 64)
		return NULL;
	char *const p = (char *)round_up((uintptr_t)t->at + 16, align);
	((size_t *)p)[-1] = round_up(max_size(n, 1), 16);
	t->at = p + round_up(max_size(n, 1), 16);
	t->allocs++;
	return p;
}

static void toy_free(void *st, void *p)
{
	struct toy *t = st;
	toy_entered(t);
	assert_true(p >= (void *)16);
	errno = ENOTTY; /* as a refused munmap inside would */
	t->frees++;
}

static size_t toy_usable(void *st, const void *p)
{
	(void)st;
	return ((const size_t *)p)[-1];
}

static void *toy_resize(void *st, void *p, size_t n)
{
	struct toy *t = st;
	toy_entered(t);
	t->resizes++;
	return t->resizable && n <= toy_usable(st, p) ? p : NULL;
}

static int toy_walk(void *st, dmm_visit *visit, void *arg)
{
	toy_entered(st);
	return visit(arg, &(struct dmm_piece){.addr = 16, .len = 16, .what = "toy", .bin = -1});
}

static bool toy_check(void *st, struct dmm_fault *why)
{
	toy_entered(st);
	*why = (struct dmm_fault){.rule = "T1 toy", .addr = 1, .found = 2, .wanted = 3};
	return false;
}

static const struct dmm_system toy = {.abi = DMM_SYSTEM_ABI, .name = "toy", .doc = "a toy",
    .align = 64, .state_size = sizeof(struct toy), .open = toy_open, .close = toy_close,
    .alloc = toy_alloc, .free = toy_free, .resize = toy_resize, .usable = toy_usable,
    .walk = toy_walk, .check = toy_check};

static struct toy *toy_heap(struct heap *h)
{
	assert_int_equal(heap_open(h, &toy, NULL, &os_linux), 0);
	struct toy *const t = h->state;
	t->heap = h;
	return t;
}

TEST(malloc_asks_for_the_least_alignment_and_sets_errno_when_refused)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	errno = 0;
	assert_non_null(heap_malloc(&h, 5));
	assert_int_equal(errno, 0);
	assert_int_equal(t->largest_align, DMM_ALIGN_MIN);
	t->refuse = true;
	assert_null(heap_malloc(&h, 5));
	assert_int_equal(errno, ENOMEM);
	heap_close(&h);
}

TEST(sizes_beyond_ptrdiff_max_never_reach_the_system)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	static const size_t sizes[] = {DMM_SIZE_MAX + 1, SIZE_MAX, SIZE_MAX - 4096};
	void *const p = heap_malloc(&h, 1);
	for (size_t i = 0; i < 3; i++) {
		errno = 0;
		assert_null(heap_malloc(&h, sizes[i]));
		assert_int_equal(errno, ENOMEM);
		assert_null(heap_aligned(&h, 1 << 20, sizes[i]));
		assert_null(heap_realloc(&h, p, sizes[i]));
	}
	assert_null(heap_aligned(&h, (size_t)1 << 62, DMM_SIZE_MAX));
	assert_int_equal(t->allocs, 1);
	assert_int_equal(t->frees, 0);
	heap_close(&h);
}

TEST(calloc_zeroes_and_refuses_a_product_that_overflows)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	memset(t->at, 0xee, 4096);
	const char *const p = heap_calloc(&h, 10, 7);
	for (int i = 0; i < 70; i++)
		assert_int_equal(p[i], 0);
	errno = 0;
	assert_null(heap_calloc(&h, SIZE_MAX / 2, 3));
	assert_int_equal(errno, ENOMEM);
	assert_null(heap_calloc(&h, (size_t)1 << 32, (size_t)1 << 32)); /* wraps to 0 */
	assert_int_equal(t->allocs, 1);
	heap_close(&h);
}

TEST(own_bytes_are_all_that_this_layer_maps)
{
	struct os_fault f;
	struct heap h;
	os_fault_open(&f, &os_linux);
	assert_int_equal(heap_open(&h, &toy, NULL, &f.os), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(heap_own_bytes(&h) + TOY_LEN, f.owned_bytes);
		assert_non_null(heap_aligned(&h, 1024, 1));
	}
	assert_true(heap_own_bytes(&h) > 3 * 4096); /* the table has grown meanwhile */
	heap_close(&h);
	assert_int_equal(f.owned_bytes, 0);
}

TEST(alignment_beyond_the_system_is_found_inside_a_larger_chunk)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	for (size_t align = 1; align <= (size_t)1 << 30; align *= 2) {
		void *const p = heap_aligned(&h, align, 100);
		assert_non_null(p);
		assert_true(is_aligned(p, max_size(align, 16)));
		assert_true(heap_usable(&h, p) >= 100);
		heap_free(&h, p);
	}
	assert_int_equal(t->largest_align, 64);
	assert_int_equal(t->frees, t->allocs);
	assert_int_equal(h.aligned.count, 0);
	heap_close(&h);
}

TEST(a_bad_alignment_is_einval)
{
	struct heap h;
	toy_heap(&h);
	static const size_t bad[] = {0, 3, 24, SIZE_MAX};
	for (size_t i = 0; i < 4; i++) {
		errno = 0;
		assert_null(heap_aligned(&h, bad[i], 8));
		assert_int_equal(errno, EINVAL);
	}
	heap_close(&h);
}

TEST(no_room_in_the_alignment_table_gives_the_chunk_back)
{
	struct os_fault f;
	struct heap h;
	os_fault_open(&f, &os_linux);
	assert_int_equal(heap_open(&h, &toy, NULL, &f.os), 0);
	struct toy *const t = h.state;
	f.fail_from = f.calls + 1;
	errno = 0;
	for (int i = 0; i < 100; i++) { /* some may be aligned by chance and need no entry */
		void *const p = heap_aligned(&h, 4096, 8);
		assert_true(p == NULL || is_aligned(p, 4096));
		heap_free(&h, p);
	}
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(t->allocs, t->frees);
	f.fail_from = 0;
	assert_non_null(heap_aligned(&h, 4096, 8));
	heap_close(&h);
}

TEST(an_over_aligned_empty_object_has_a_byte_of_its_own)
{
	struct heap h;
	toy_heap(&h);
	for (size_t align = 16; align <= 4096; align *= 2)
		for (size_t i = 0; i < 2 * align / 16; i++) {
			assert_true(heap_usable(&h, heap_aligned(&h, align, 0)) >= 1);
			heap_malloc(&h, 16 * (i % 3)); /* so that the gap before the next differs */
		}
	heap_close(&h);
}

TEST(realloc_prefers_the_systems_way_and_else_copies)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	char *const p = heap_malloc(&h, 100);
	strcpy(p, "the payload goes along");
	t->resizable = true;
	assert_ptr_equal(heap_realloc(&h, p, 50), p);
	assert_int_equal(t->allocs, 1);
	char *const q = heap_realloc(&h, p, 5000);
	assert_ptr_not_equal(q, p);
	assert_string_equal(q, "the payload goes along");
	assert_int_equal(t->frees, 1);
	t->refuse = true;
	errno = 0;
	assert_null(heap_realloc(&h, q, 50000));
	assert_int_equal(errno, ENOMEM);
	assert_string_equal(q, "the payload goes along");
	assert_int_equal(t->frees, 1);
	heap_close(&h);
}

TEST(realloc_to_fewer_bytes_needs_no_memory)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	char *const p = heap_malloc(&h, 1000);
	char *q = heap_aligned(&h, 4096, 1000);
	if (aligned_find(&h.aligned, q) == q) /* aligned by chance: the next is not */
		q = heap_aligned(&h, 4096, 1000);
	t->refuse = true;
	errno = EBADF;
	assert_ptr_equal(heap_realloc(&h, p, 10), p);
	assert_ptr_equal(heap_realloc(&h, q, 10), q);
	assert_int_equal(errno, EBADF);
	assert_int_equal(t->frees, 0);
	assert_null(heap_realloc(&h, p, 5000));
	assert_int_equal(errno, ENOMEM);
	heap_close(&h);
}

TEST(realloc_of_null_allocates_and_to_zero_frees)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	void *const p = heap_realloc(&h, NULL, 10);
	assert_non_null(p);
	assert_null(heap_realloc(&h, p, 0));
	assert_int_equal(t->frees, 1);
	heap_close(&h);
}

TEST(an_over_aligned_object_is_never_resized_by_the_system)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	t->resizable = true;
	char *p = heap_aligned(&h, 4096, 5000);
	if (aligned_find(&h.aligned, p) == p) /* aligned by chance: the next is not */
		p = heap_aligned(&h, 4096, 5000);
	memset(p, 0x41, 5000);
	char *const q = heap_realloc(&h, p, 4000);
	assert_int_equal(t->resizes, 0);
	for (int i = 0; i < 4000; i++)
		assert_int_equal(q[i], 0x41);
	heap_close(&h);
}

TEST(free_keeps_errno_and_takes_null)
{
	struct heap h;
	struct toy *const t = toy_heap(&h);
	void *const p = heap_malloc(&h, 1);
	errno = EBADF;
	heap_free(&h, p);
	heap_free(&h, NULL);
	assert_int_equal(errno, EBADF);
	assert_int_equal(t->frees, 1);
	assert_int_equal(heap_usable(&h, NULL), 0);
	heap_close(&h);
}

static int stop_at_once(void *arg, const struct dmm_piece *piece)
{
	(void)arg;
	return (int)piece->len;
}

static void *wait_for_end(void *fd)
{
	char byte;
	return read(*(int *)fd, &byte, 1) == 1 ? fd : NULL;
}

TEST(with_two_threads_every_call_into_the_system_holds_the_lock)
{
	struct heap h;
	struct dmm_fault why;
	struct toy *const t = toy_heap(&h);
	pthread_t other;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pthread_create(&other, NULL, wait_for_end, &ends[0]), 0);
	void *p = heap_calloc(&h, 1, 10);
	p = heap_realloc(&h, p, 100);
	heap_free(&h, heap_aligned(&h, 1024, 1));
	heap_free(&h, p);
	assert_int_equal(heap_walk(&h, stop_at_once, NULL), 16);
	assert_false(heap_check(&h, &why));
	assert_string_equal(why.rule, "T1 toy");
	assert_int_equal(heap_trim(&h, 0), 0);
	assert_false(t->unlocked);
	assert_false(lock_is_held(&h.lock));
	assert_int_equal(write(ends[1], "", 1), 1);
	pthread_join(other, NULL);
	close(ends[0]);
	close(ends[1]);
	heap_close(&h);
}

TEST(a_system_of_another_abi_or_with_bad_params_does_not_open)
{
	struct heap h;
	struct dmm_system old = toy;
	struct os_fault f;
	old.abi = DMM_SYSTEM_ABI + 1;
	os_fault_open(&f, &os_linux);
	assert_int_equal(heap_open(&h, &old, NULL, &f.os), -ENOEXEC);
	assert_int_equal(heap_open(&h, &toy, &(struct dmm_params){.split_min = 1}, &f.os), -EINVAL);
	f.fail_at = f.calls + 1;
	assert_int_equal(heap_open(&h, &toy, NULL, &f.os), -ENOMEM);
	assert_int_equal(f.owned_bytes, 0);
}

static void *hold_long(void *arg)
{
	struct heap *h = arg;
	for (int i = 0; i < 20000; i++)
		heap_free(h, heap_malloc(h, 8));
	return NULL;
}

TEST(a_child_of_a_busy_parent_can_allocate)
{
	struct heap h;
	pthread_t t;
	toy_heap(&h)->heap = NULL;
	assert_int_equal(pthread_create(&t, NULL, hold_long, &h), 0);
	int forks = 0;
	for (int tries = 0; forks < 50 && tries < 1000; tries++) {
		int status;
		heap_before_fork(&h);
		const pid_t pid = fork();
		if (pid == 0) {
			heap_after_fork_child(&h);
			alarm(10);
			_exit(heap_malloc(&h, 8) == NULL);
		}
		heap_after_fork_parent(&h);
		if (pid < 0) { /* a busy machine has no process left for a moment */
			usleep(5000);
			continue;
		}
		forks++;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_int_equal(forks, 50);
	pthread_join(t, NULL);
	heap_close(&h);
}
