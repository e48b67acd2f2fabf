/* window_test.c - where slab places tables and payload, and what it does where others have mapped
 * memory. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "os/os.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/init.h"
#include "slab/mapped.h"
#include "slab/page_heap.h"
#include "slab/purge.h"
#include "slab/system.h"
#include "slab/window.h"
#include "test.h"

static const size_t MIB = 1 << 20;

static char *painted(size_t n, char with)
{
	char *const p = slab_malloc(n);
	assert_non_null(p);
	return memset(p, with, n);
}

/* ---- the layout */

static void read_at(void *arg)
{
	(void)*(volatile char *)arg;
}

/* The bytes of a table for that many chunks. */
static void table_fits(enum table_kind t, size_t record, uintptr_t lowest[], uintptr_t end[])
{
	const size_t len = (size_t)root.chunk_limit * CHUNK_GRANULES * record;

	lowest[t] = root.table[t].start - (table_grows_down(t) ? len : 0);
	end[t] = root.table[t].start + (table_grows_down(t) ? 0 : len);
	assert_true(root.table[t].mapped >= root.chunk_count * CHUNK_GRANULES * record);
}

TEST(no_table_reaches_into_another_and_guards_lie_between_them)
{
	for (paper_most_window = 48 * MIB; paper_most_window < (size_t)3 << 40;
	    paper_most_window *= 5) {
		uintptr_t lowest[TABLES], end[TABLES];
		paper_begin("guarded:0");
		const size_t chunks = root.chunk_limit, words = GRANULE_WORDS * sizeof(uint64_t);
		table_fits(TABLE_AVAIL, words, lowest, end);
		table_fits(TABLE_LIVE, words, lowest, end);
		table_fits(TABLE_MARKS, words, lowest, end);
		table_fits(TABLE_SLABS, sizeof(struct slab), lowest, end);
		table_fits(TABLE_TAGS, sizeof *root.tags, lowest, end);
		assert_true(root.window <= lowest[TABLE_AVAIL]);
		assert_true(end[TABLE_AVAIL] + 4096 <= root.table[TABLE_POOL].start);
		assert_true(root.table[TABLE_POOL].start + root.table[TABLE_POOL].mapped + 4096 <=
		    lowest[TABLE_LIVE]);
		assert_true(end[TABLE_LIVE] + 4096 <= lowest[TABLE_MARKS]);
		assert_true(end[TABLE_MARKS] <= lowest[TABLE_SLABS]);
		assert_true(end[TABLE_SLABS] + 4096 <= lowest[TABLE_TAGS]);
		assert_true(end[TABLE_TAGS] + 4096 <= root.base + GRANULE);
		assert_int_equal(root.base % HUGE_PAGE_SIZE, 0);
		assert_true(root.base + chunks * HUGE_PAGE_SIZE <= root.window + root.window_len);
		assert_true(root.window_len <= paper_most_window);
		assert_true(chunks == CHUNKS_MAX || root.window_len > paper_most_window / 100 * 55);
		char *const p = painted(100, 1);
		test_dies_by(read_at, (char *)root.base - 1, SIGSEGV);
		test_dies_by(read_at, (char *)root.base + GRANULE - 1, SIGSEGV);
		for (enum table_kind t = 0; t < TABLES; t++) {
			test_dies_by(read_at, (char *)table_address(t) - 1, SIGSEGV);
			test_dies_by(read_at, (char *)table_address(t) + root.table[t].mapped,
			    SIGSEGV);
		}
		slab_free(p);
	}
	paper_end();
	paper_most_window = 0;
}

TEST(beginnings_of_tables_that_grow_apart_share_a_page_of_page_tables)
{
	for (int i = 0; i < 100; i++) {
		paper_begin("guarded:0");
		const uintptr_t two = HUGE_PAGE_SIZE, gib = (uintptr_t)1 << 30;
		assert_int_equal(table_address(TABLE_AVAIL) / two,
		    root.table[TABLE_LIVE].start / two);
		assert_int_equal(table_address(TABLE_AVAIL) / two,
		    root.table[TABLE_POOL].start / two);
		assert_int_equal(table_address(TABLE_SLABS) / two,
		    root.table[TABLE_TAGS].start / two);
		assert_int_equal(root.table[TABLE_TAGS].start / gib, root.base / gib);
		paper_end();
	}
}

TEST(without_room_for_eight_chunks_there_is_no_heap_and_later_there_may_be)
{
	paper_begin("guarded:0");
	paper_end();
	paper_most_window = 8 * MIB;
	assert_false(slab_start_on(&paper.os));
	assert_int_equal(root.base, 0);
	paper_most_window = 0;
	paper.no_map = true;
	assert_false(slab_start_on(&paper.os));
	paper.no_map = false;
	paper_begin("guarded:0");
	slab_free(painted(100, 1));
	paper_sound();
	paper_end();
}

/* ---- what others have mapped */

TEST(a_chunk_in_which_others_have_mapped_something_is_never_used)
{
	enum { OBJECTS = 400 };
	static char *p[OBJECTS];

	paper_begin("guarded:0");
	paper.foreign = root.base + 5 * HUGE_PAGE_SIZE + 100 * GRANULE;
	paper.foreign_end = paper.foreign + 2 * HUGE_PAGE_SIZE;
	for (size_t i = 0; i < OBJECTS; i++) {
		p[i] = painted(i % 3 == 0 ? 3 * MIB : 40000, (char)i);
		assert_true((uintptr_t)p[i] >= paper.foreign_end ||
		    (uintptr_t)p[i] + 40000 <= paper.foreign);
	}
	assert_int_equal(chunk_at(6)->state, CHUNK_FOREIGN);
	paper_sound();
	for (size_t i = 0; i < OBJECTS; i++)
		slab_free(p[i]);
	slab_trim(0);
	paper_sound();
	paper_end();
}

TEST(a_chunk_that_others_took_while_it_was_given_back_is_lost_and_nothing_else_is)
{
	paper_begin("guarded:0");
	char *const p = painted(30 * MIB, 1);
	slab_free(p);
	slab_trim(0);
	const uint32_t chunk = (uint32_t)(((uintptr_t)p - root.base) / HUGE_PAGE_SIZE) + 4;
	assert_int_equal(chunk_at(chunk)->state, CHUNK_ABSENT);
	paper.foreign = (uintptr_t)granule_address(chunk * CHUNK_GRANULES);
	paper.foreign_end = paper.foreign + 1;
	char *const q = painted(30 * MIB, 2);
	assert_true((uintptr_t)q > paper.foreign);
	char *const small = painted(6 * MIB, 3);
	assert_true((uintptr_t)small < paper.foreign);
	assert_int_equal(chunk_at(chunk)->state, CHUNK_FOREIGN);
	paper_sound();
	slab_free(q), slab_free(small);
	paper_sound();
	paper_end();
}

TEST(where_others_have_mapped_something_in_a_table_the_window_ends)
{
	paper_begin("guarded:0");
	painted(100, 1);
	paper.foreign = root.table[TABLE_LIVE].start + (8 << 20);
	paper.foreign_end = paper.foreign + 4096;
	char *p = NULL, *last = NULL;
	size_t n = 0;
	while ((p = slab_malloc(100 * MIB)) != NULL && n++ < 20)
		last = p;
	/* 8 MiB of live describe so much; the rest is elsewhere */
	assert_in_range(n - root.mapped_count, 7, 10);
	assert_true(root.mapped_count > 0);
	slab_free(last);
	assert_non_null(last = slab_malloc(90 * MIB));
	paper_sound();
	paper_end();
}

/* They need slabs, which lie in payload.  What is freed can be had again. */
TEST(where_the_window_ends_small_objects_get_what_it_has_and_large_ones_go_on)
{
	volatile size_t small = 30000; /* or the compiler sees a table too far */
	char **chain = NULL;
	size_t n = 0;

	paper_begin("guarded:0");
	painted(100, 1);
	paper.foreign = root.table[TABLE_LIVE].start + (8 << 20);
	paper.foreign_end = paper.foreign + 4096;
	for (char **p; n < 100000 && (p = (char **)slab_malloc(small)) != NULL; n++) {
		*p = (char *)chain;
		chain = p;
	}
	assert_in_range(n, 20000, 40000); /* about a GiB, of which 8 MiB of live tell */
	errno = 0;
	assert_null(slab_malloc(small));
	assert_int_equal(errno, ENOMEM);
	paper_sound();
	char *const large = painted(50 * MIB, 3);
	assert_true(root.mapped_count > 0);
	for (size_t i = 0; i < 1000; i++) {
		char **const next = (char **)*chain;
		slab_free(chain);
		chain = next;
	}
	for (size_t i = 0; i < 1000; i++)
		assert_non_null(slab_malloc(small));
	assert_int_equal(large[50 * MIB - 1], 3);
	slab_free(large);
	paper_sound();
	paper_end();
}

/* ---- what is refused */

static int add_up(void *arg, const struct dmm_piece *piece)
{
	*(size_t *)arg += piece->len;
	return 0;
}

static void works(struct os_fault *f)
{
	enum { OBJECTS = 60 };
	char *p[OBJECTS] = {NULL};
	size_t sum = 0;

	for (size_t i = 0; i < OBJECTS; i++) {
		const size_t n = i % 5 == 0 ? 3 * MIB : i % 3 == 0 ? 50000 : 700 * i;
		errno = 0;
		p[i] = slab_malloc(n);
		if (p[i] != NULL)
			memset(p[i], (int)i, n);
		else
			assert_int_equal(errno, ENOMEM);
	}
	paper_sound();
	assert_int_equal(slab_walk(add_up, &sum), 0);
	assert_int_equal(sum, f->owned_bytes); /* all of our mappings and no others */
	for (size_t i = 0; i < OBJECTS; i++) {
		if (p[i] != NULL && i % 2 == 0)
			assert_int_equal(p[i][i % 5 == 0 ? 3 * MIB - 1 : 1], (char)i);
		slab_free(p[i]);
	}
	slab_trim(0);
	paper_sound();
}

/* Whichever call begins to be refused, and whenever: existing objects stay usable, and all memory
 * goes back in the end. */
TEST(growth_refused_or_taken_half_way_loses_nothing)
{
	paper_end();
	for (uint64_t n = 1; n < 60; n += n < 20 ? 1 : 3)
		for (int how = 0; how < 4; how++) {
			struct os_fault f;
			os_fault_open(&f, &os_linux);
			f.fail_at = how == 0 ? n : 0;
			f.fail_from = how == 1 ? n : 0;
			f.taken_at = how >= 2 ? n : 0;
			f.taken_count = how == 2 ? 1 : 1000000;
			const bool began = slab_start_on(&f.os);
			if (began) {
				works(&f);
				f.fail_at = f.fail_from = f.taken_at = 0;
				if (how < 2) /* else the window may have ended */
					slab_free(painted(MIB, 1));
				works(&f);
				slab_shut_down();
			}
			/* or unmap() was refused as well */
			if (f.owned_bytes != 0 && (began || how != 1))
				fail_msg("%zu bytes are left: call %zu, %d", f.owned_bytes,
				    (size_t)n, how);
		}
}

TEST(a_kernel_that_takes_an_address_for_a_wish_is_believed_only_where_it_was_obeyed)
{
	char *const taken = os_linux.map(NULL, 4096, 4096);

	assert_int_equal(os_linux.map_at(NULL, taken, 4096), -EEXIST);
	taken[0] = 1; /* it is still there */
	assert_int_equal(os_linux.unmap(NULL, taken, 4096), 0);
	assert_in_range(os_linux.map_at(NULL, taken, 4096), 0, 1);
	os_linux.unmap(NULL, taken, 4096);
}

static int map_at_before_4_17(void *ctx, void *p, size_t len)
{
	(void)ctx;
	return os_map_at(p, len, 0);
}

/* Foreign mappings lie in the payload and after the mapped part of a table: they stay as they
 * are. */
TEST(a_kernel_without_map_fixed_noreplace_overwrites_nothing_of_others)
{
	struct dmm_os old = os_linux;
	struct os_fault f;
	char *theirs[2];

	paper_end();
	old.map_at = map_at_before_4_17;
	os_fault_open(&f, &old);
	assert_true(slab_start_on(&f.os));
	works(&f);
	theirs[0] = (char *)root.base + 40 * HUGE_PAGE_SIZE;
	theirs[1] = (char *)root.table[TABLE_LIVE].start + (8 << 20);
	for (int i = 0; i < 2; i++) {
		assert_ptr_equal(mmap(theirs[i], 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), theirs[i]);
		memset(theirs[i], 0x5a, 4096);
	}
	works(&f);
	char *p[40];
	for (size_t i = 0; i < 40; i++)
		assert_non_null(p[i] = painted(40 * MIB, (char)i));
	assert_int_equal(chunk_at(40)->state, CHUNK_FOREIGN);
	assert_true(root.mapped_count > 0); /* the window has ended */
	paper_sound();
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(p[i][40 * MIB - 1], (char)i);
		slab_free(p[i]);
	}
	for (int i = 0; i < 2; i++)
		for (size_t at = 0; at < 4096; at++)
			assert_int_equal(theirs[i][at], 0x5a);
	slab_shut_down();
	assert_int_equal(f.owned_bytes, 0);
	munmap(theirs[0], 4096), munmap(theirs[1], 4096);
}

TEST(a_kernel_that_lacks_an_advice_or_all_gives_the_same_memory)
{
	paper_end();
	for (unsigned what = 0; what <= DMM_ADVICE_UNGUARD + 1; what++) {
		struct os_fault f;
		os_fault_open(&f, &os_linux);
		f.lacks = what > DMM_ADVICE_UNGUARD ? UINT32_MAX : 1u << what;
		if (what == DMM_ADVICE_GUARD)
			f.lacks |= 1u << DMM_ADVICE_UNGUARD;
		assert_true(slab_start_on(&f.os));
		works(&f);
		works(&f);
		slab_shut_down();
		assert_int_equal(f.owned_bytes, 0);
	}
}

TEST(where_no_window_is_to_be_had_there_is_no_heap_and_the_next_try_has_one)
{
	struct os_fault f;

	paper_end();
	os_fault_open(&f, &os_linux);
	f.no_window = true;
	assert_false(slab_start_on(&f.os));
	assert_int_equal(f.owned_bytes, 0);
	f.no_window = false;
	assert_true(slab_start_on(&f.os));
	works(&f);
	slab_shut_down();
	assert_int_equal(f.owned_bytes, 0);
}

TEST(windows_and_distances_are_drawn)
{
	uintptr_t base[8], distance[8];
	size_t same_base = 0, same_distance = 0;

	for (size_t i = 0; i < 8; i++) {
		paper_begin("guarded:0");
		base[i] = root.base;
		distance[i] = root.base - root.table[TABLE_LIVE].start;
		for (size_t k = 0; k < i; k++) {
			same_base += base[k] == base[i];
			same_distance += distance[k] == distance[i];
		}
		paper_end();
	}
	assert_int_equal(same_base, 0);
	assert_int_equal(same_distance, 0);
}

/* ---- objects in mappings of their own */

/* As where the administrator lets every mapping through (vm.overcommit_memory 1). */
static void *map_uncounted(void *ctx, size_t len, size_t align)
{
	(void)ctx;
	const size_t wide = len + align;
	char *const p = mmap(NULL, wide, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	char *const at = (char *)round_up((uintptr_t)p, align);
	if (at != p)
		munmap(p, ptr_diff(at, p));
	munmap(at + len, wide - len - ptr_diff(at, p));
	return at;
}

TEST(sixteen_tebibytes_are_to_be_had_where_the_kernel_counts_nothing)
{
	enum { OBJECTS = 28 };
	const size_t n = (size_t)600 << 30;
	char *p[OBJECTS];

	paper_begin("guarded:0");
	paper.os.map = map_uncounted;
	for (size_t i = 0; i < OBJECTS; i++) {
		p[i] = slab_malloc(n);
		if (p[i] == NULL && (uintptr_t)&p < (uintptr_t)1 << 46)
			skip(); /* so small is the address space */
		assert_non_null(p[i]);
		p[i][0] = p[i][n - 1] = (char)i;
	}
	assert_int_equal(root.mapped_count, OBJECTS);
	paper_sound();
	for (size_t i = 0; i < OBJECTS; i++) {
		assert_int_equal(p[i * 5 % OBJECTS][n - 1], (char)(i * 5 % OBJECTS));
		assert_int_equal(slab_usable(p[i]), n);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		slab_free(p[i * 5 % OBJECTS]);
	assert_int_equal(root.mapped_count, 0);
	paper_end();
}

TEST(large_objects_leave_a_window_that_is_used_up)
{
	paper_most_window = 90 * MIB;
	paper_begin("guarded:0");
	paper_most_window = 0;
	char *p[20];
	for (size_t i = 0; i < 20; i++)
		p[i] = painted(10 * MIB, (char)i);
	assert_in_range(root.mapped_count, 10, 19);
	p[3] = slab_realloc(p[3], 30 * MIB); /* out of the window */
	p[19] = slab_realloc(p[19], 25 * MIB);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(p[i][10 * MIB - 1], (char)i);
		slab_free(p[i]);
	}
	paper_sound();
	paper_end();
}

/* ---- an object in a mapping of its own */

static int add_lost(void *arg, const struct dmm_piece *piece)
{
	if (piece->kind == DMM_PAD && strcmp(piece->what, "lost") == 0)
		*(size_t *)arg += piece->len;
	return 0;
}

static size_t lost_bytes(void)
{
	size_t n = 0;

	assert_int_equal(slab_walk(add_lost, &n), 0);
	return n;
}

TEST(a_mapping_that_the_kernel_does_not_take_back_loses_its_memory_and_goes_back_later)
{
	const size_t n = MAPPED_FROM + MIB;

	paper_begin("guarded:0");
	char *const p = slab_malloc(n), *const q = slab_malloc(n);
	assert_non_null(p);
	assert_non_null(q);
	memset(p, 1, MIB);
	paper.no_unmap = true;
	slab_free(p);
	assert_int_equal(lost_bytes(), n);
	assert_int_equal(paper_resident(p, MIB), 0);
	slab_free(q); /* asks about the first again */
	assert_int_equal(lost_bytes(), 2 * n);
	paper.no_unmap = false;
	slab_free(slab_malloc(n)); /* a malloc and a free ask about one each */
	assert_int_equal(lost_bytes(), 0);
	paper_sound();
	paper_end();
}
