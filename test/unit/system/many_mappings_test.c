/* many_mappings_test.c - vm with more mappings than the kernel would give it, on an os that
 * gives them all. */
#include "base/bits.h"
#include "ram_os.h"
#include "os/os.h"
#include "system/heap.h"
#include "system/mapping.h"
#include "system/systems.h"
#include "test.h"

enum { MORE = 200, COUNT = MAPPINGS_MANY + MORE };

static struct ram_os ram;
static struct heap heap;
static void *object[COUNT];

static void open_full_on(const struct dmm_os *os)
{
	assert_int_equal(heap_open(&heap, &system_vm, NULL, os), 0);
	for (int i = 0; i < COUNT; i++)
		assert_non_null(object[i] = heap_malloc(&heap, i % 5 == 0 ? 9000 : 100));
}

static void open_full(void)
{
	assert_int_equal(ram_os_open(&ram), 0);
	open_full_on(&ram.os);
}

static int add(void *sum, const struct dmm_piece *piece)
{
	*(size_t *)sum += piece->len;
	return 0;
}

static void all_counted(void)
{
	struct dmm_fault why;
	size_t sum = 0;

	assert_true(heap_check(&heap, &why));
	assert_int_equal(heap_walk(&heap, add, &sum), 0);
	assert_int_equal(sum + heap_own_bytes(&heap), ram.owned);
}

TEST(past_many_mappings_freed_ones_are_kept_and_used_again)
{
	open_full();
	for (int i = 0; i < MORE; i++)
		heap_free(&heap, object[i]);
	all_counted();
	const size_t owned = ram.owned;
	for (int i = 0; i < MORE; i++)
		assert_non_null(object[i] = heap_malloc(&heap, i % 5 == 0 ? 9000 : 100));
	assert_int_equal(ram.owned, owned); /* nothing new was asked for */
	all_counted();
	heap_close(&heap);
	assert_int_equal(ram.owned, 0);
}

TEST(kept_mappings_go_back_when_half_are_gone)
{
	open_full();
	for (int i = 0; i < MORE; i++)
		heap_free(&heap, object[i]);
	const size_t kept = ram.owned;
	for (int i = MORE; i < COUNT - MAPPINGS_MANY / 2 + 1; i++)
		heap_free(&heap, object[i]);
	assert_true(ram.owned < kept - (COUNT - MAPPINGS_MANY / 2) * (size_t)4096 + MORE * 4096);
	all_counted();
	for (int i = COUNT - MAPPINGS_MANY / 2 + 1; i < COUNT; i++)
		heap_free(&heap, object[i]);
	assert_int_equal(ram.owned, heap_own_bytes(&heap));
	heap_close(&heap);
}

/* A limit on address space counts what is kept, too: that goes back before anybody is refused,
 * and no more of it. */
TEST(kept_mappings_make_room_for_one_that_is_larger_than_each)
{
	static struct os_fault f;

	assert_int_equal(ram_os_open(&ram), 0);
	os_fault_open(&f, &ram.os);
	open_full_on(&f.os);
	for (int i = 0; i < MORE; i++)
		heap_free(&heap, object[i]);
	const size_t full = f.budget_bytes = f.owned_bytes;
	object[0] = heap_malloc(&heap, 100000);
	assert_non_null(object[0]);
	assert_true(f.owned_bytes > full - 3 * 4096);
	all_counted();
	assert_null(heap_malloc(&heap, (size_t)4 << 20)); /* more than is kept */
	assert_non_null(heap_malloc(&heap, 200000));
	heap_close(&heap);
	assert_int_equal(ram.owned, 0);
}

TEST(a_damaged_header_of_a_kept_mapping_is_named)
{
	struct dmm_fault why = {.rule = "(none)"};

	open_full();
	heap_free(&heap, object[1]);
	struct mapping *const m = (struct mapping *)round_down((uintptr_t)object[1], 4096);
	m->head ^= (size_t)1 << 20;
	assert_false(heap_check(&heap, &why));
	assert_string_equal(why.rule, "V4 mirrored");
	m->head ^= (size_t)1 << 20;
	all_counted();
	heap_close(&heap);
}
