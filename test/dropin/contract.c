/* contract.c - what C, POSIX and glibc promise of malloc, asked of a preloaded system. */
#include "dropin.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "os/libc.h"

static const size_t too_large[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX, SIZE_MAX - 15,
    SIZE_MAX / 2 + 17};

enum { TOO_LARGE = sizeof too_large / sizeof *too_large };

/* Kept out of the compiler's sight, so that it neither folds nor warns. */
static size_t opaque(size_t n)
{
	__asm__("" : "+r"(n));
	return n;
}

static int frees(void)
{
	return (traits & DMM_FREES) != 0;
}

TEST(every_size_up_to_64_KiB_is_aligned_to_16_and_writable)
{
	for (size_t n = 1; n <= 64 << 10; n += n < 1100 ? 1 : 977) {
		char *const p = malloc(n);
		EXPECT(p != NULL && (uintptr_t)p % 16 == 0);
		fill(p, n, (unsigned)n);
		EXPECT(is_filled(p, n, (unsigned)n));
		free(p);
	}
}

static void check_alignment(size_t align, size_t n)
{
	char *p[3] = {0};

	p[0] = memalign(align, n);
	p[1] = aligned_alloc(align, n);
	if (align >= sizeof(void *))
		EXPECT(posix_memalign((void **)&p[2], align, n) == 0);
	else
		p[2] = malloc(n);
	for (int i = 0; i < 3; i++) {
		EXPECT(p[i] != NULL && (uintptr_t)p[i] % align == 0);
		EXPECT(malloc_usable_size(p[i]) >= n);
		fill(p[i], n, (unsigned)i);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT(is_filled(p[i], n, (unsigned)i));
		free(p[i]);
	}
}

/* A design that never frees holds all of them at once: 16 MiB at most there. */
TEST(alignment_from_1_to_1_GiB_is_kept)
{
	const size_t most = frees() ? (size_t)1 << 30 : (size_t)1 << 24;

	for (size_t align = 1; align <= most; align *= 2) {
		check_alignment(align, 1);
		check_alignment(align, 100);
		check_alignment(align, 5000);
	}
}

TEST(many_over_aligned_objects_live_at_once_and_free_in_any_order)
{
	enum { COUNT = 2000 };
	static char *p[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		const size_t align = (size_t)16 << i % 7;
		p[i] = aligned_alloc(align, 1 + i % 300);
		EXPECT(p[i] != NULL && (uintptr_t)p[i] % align == 0);
		fill(p[i], 1 + i % 300, i);
	}
	for (unsigned i = 0, at = 0; i < COUNT; i++, at = (at + 1237) % COUNT) {
		EXPECT(is_filled(p[at], 1 + at % 300, at));
		free(p[at]);
	}
}

TEST(malloc_of_zero_is_unique_and_freeable)
{
	enum { COUNT = 100 };
	void *p[COUNT];

	for (int i = 0; i < COUNT; i++) {
		p[i] = i % 3 == 0 ? malloc(opaque(0)) : i % 3 == 1 ? calloc(opaque(0), 8)
		    : realloc(NULL, opaque(0));
		if (traits & DMM_ZERO_IS_NULL) {
			EXPECT(p[i] == NULL); /* as the slide of vm has it */
			continue;
		}
		EXPECT(p[i] != NULL);
		for (int j = 0; j < i; j++)
			EXPECT(p[j] != p[i]);
	}
	for (int i = 0; i < COUNT; i++)
		free(p[i]);
	free(NULL);
}

TEST(realloc_keeps_the_contents_in_every_direction)
{
	enum { COUNT = 64, ROUNDS = 6000 };
	static char *p[COUNT];
	static size_t len[COUNT];
	uint64_t random = 88172645463325252u;

	for (int round = 0; round < ROUNDS; round++) {
		random ^= random << 13, random ^= random >> 7, random ^= random << 17;
		const unsigned i = random % COUNT;
		const size_t n = 1 + (random >> 20) % (round % 50 == 0 ? 300000 : 2000);
		char *const q = realloc(p[i], n);
		EXPECT(q != NULL && (uintptr_t)q % 16 == 0);
		EXPECT(is_filled(q, n < len[i] ? n : len[i], i));
		fill(q, n, i);
		p[i] = q;
		len[i] = n;
	}
	for (unsigned i = 0; i < COUNT; i++) {
		EXPECT(is_filled(p[i], len[i], i));
		free(p[i]);
	}
}

TEST(realloc_grows_and_shrinks_by_steps_past_every_threshold)
{
	char *p = malloc(1);
	size_t n = 1;

	fill(p, n, 5);
	for (; n < 3 << 20; n += n / 3 + 1) {
		p = realloc(p, n + n / 3 + 1);
		EXPECT(p != NULL && is_filled(p, n, 5));
		fill(p, n + n / 3 + 1, 5);
	}
	for (; n > 1; n = n * 2 / 3) {
		p = realloc(p, n * 2 / 3);
		EXPECT(p != NULL && is_filled(p, n * 2 / 3, 5));
	}
	free(p);
}

TEST(realloc_of_an_over_aligned_object_keeps_its_contents)
{
	for (size_t align = 32; align <= 1 << 16; align *= 4) {
		char *p = aligned_alloc(align, 700);
		fill(p, 700, 3);
		p = realloc(p, 70000);
		EXPECT(p != NULL && is_filled(p, 700, 3));
		p = realloc(p, 20);
		EXPECT(p != NULL && is_filled(p, 20, 3));
		free(p);
	}
}

TEST(realloc_to_zero_frees_and_returns_null)
{
	for (int i = 0; i < 1000; i++)
		EXPECT(realloc(malloc(100), opaque(0)) == NULL);
}

TEST(realloc_and_reallocarray_that_fail_leave_the_object)
{
	char *const p = malloc(1000);

	fill(p, 1000, 9);
	for (int i = 0; i < TOO_LARGE; i++) {
		errno = 0;
		EXPECT(realloc(p, opaque(too_large[i])) == NULL && errno == ENOMEM);
	}
	errno = 0;
	EXPECT(reallocarray(p, opaque(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);
	EXPECT(is_filled(p, 1000, 9));
	char *const q = reallocarray(p, 100, 30);
	EXPECT(q != NULL && is_filled(q, 1000, 9));
	free(q);
}

TEST(calloc_gives_zeroes_also_where_memory_was_used_before)
{
	for (int round = 0; round < 200; round++) {
		const size_t n = 1 + (size_t)round * 997;
		char *p = malloc(n);
		memset(p, 0xa5, n);
		free(p);
		p = calloc(1 + round % 7, n);
		for (size_t i = 0; i < (1 + round % 7) * n; i++)
			EXPECT(p[i] == 0);
		free(p);
	}
}

TEST(calloc_refuses_a_product_that_overflows)
{
	static const size_t pairs[][2] = {{SIZE_MAX, 2}, {SIZE_MAX / 2 + 1, 2},
	    {(size_t)1 << 32, (size_t)1 << 32},
	    {SIZE_MAX / 2, 1 + 1}, {3, SIZE_MAX / 2}};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		errno = 0;
		EXPECT(calloc(opaque(pairs[i][0]), opaque(pairs[i][1])) == NULL && errno == ENOMEM);
	}
}

TEST(posix_memalign_returns_its_error_and_leaves_the_pointer)
{
	static const size_t bad[] = {0, 1, 2, 4, 3, 7, 9, 24, 48, SIZE_MAX};
	static char there;
	void *const before = &there;
	void *p = before;

	errno = 4711;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		EXPECT(posix_memalign(&p, opaque(bad[i]), 100) == EINVAL && p == before);
	for (int i = 0; i < TOO_LARGE; i++)
		EXPECT(posix_memalign(&p, 64, opaque(too_large[i])) == ENOMEM && p == before);
	EXPECT(errno == 4711 || any_malloc);
	EXPECT(posix_memalign(&p, 64, 0) == 0 && p != before);
	free(p);
}

TEST(aligned_alloc_takes_any_size_and_memalign_any_alignment)
{
	for (size_t n = 1; n < 200; n += 3) {
		char *p = aligned_alloc(64, n);
		EXPECT(p != NULL && (uintptr_t)p % 64 == 0);
		free(p);
		p = memalign(opaque(n), 50); /* rounded up to a power of two */
		EXPECT(p != NULL && (n < 65 || (uintptr_t)p % 128 == 0));
		free(p);
	}
	errno = 0;
	EXPECT(memalign(opaque(SIZE_MAX / 2 + 2), 50) == NULL && errno == EINVAL);
}

TEST(valloc_and_pvalloc_give_whole_pages)
{
	char *p = valloc(100);
	EXPECT(p != NULL && (uintptr_t)p % 4096 == 0);
	free(p);
	p = pvalloc(4097);
	EXPECT(p != NULL && (uintptr_t)p % 4096 == 0 && malloc_usable_size(p) >= 8192);
	memset(p, 1, 8192);
	free(p);
	errno = 0;
	EXPECT(pvalloc(opaque(SIZE_MAX)) == NULL && errno == ENOMEM);
}

TEST(what_is_larger_than_ptrdiff_max_is_refused_by_all)
{
	for (int i = 0; i < TOO_LARGE; i++) {
		const size_t n = opaque(too_large[i]);
		errno = 0;
		EXPECT(malloc(n) == NULL && errno == ENOMEM);
		errno = 0;
		EXPECT(calloc(1, n) == NULL && errno == ENOMEM);
		errno = 0;
		EXPECT(realloc(NULL, n) == NULL && errno == ENOMEM);
		errno = 0;
		EXPECT(aligned_alloc(16, n) == NULL && errno == ENOMEM);
		errno = 0;
		EXPECT(memalign(4096, n) == NULL && errno == ENOMEM);
		errno = 0;
		EXPECT(valloc(n) == NULL && errno == ENOMEM);
	}
	void *const p = malloc(10);
	EXPECT(p != NULL);
	free(p);
}

TEST(usable_size_may_be_written_to_its_end)
{
	enum { COUNT = 500 };
	static char *p[COUNT];
	static size_t usable[COUNT];

	for (unsigned i = 0; i < COUNT; i++) {
		const size_t n = 1 + i * i % 5000;
		p[i] = i % 5 == 0 ? aligned_alloc(128, n) : malloc(n);
		usable[i] = malloc_usable_size(p[i]);
		EXPECT(usable[i] >= n);
		fill(p[i], usable[i], i);
	}
	for (unsigned i = 0; i < COUNT; i++) {
		EXPECT(is_filled(p[i], usable[i], i));
		free(p[i]);
	}
	EXPECT(malloc_usable_size(NULL) == 0);
}

TEST(errno_is_kept_by_free_and_by_what_succeeds)
{
	errno = 4711;
	for (size_t n = 1; n < 64 << 20; n = n * 5 + 1) {
		char *const p = malloc(n);
		p[0] = p[n - 1] = 1;
		free(p);
		free(aligned_alloc(8192, n));
		EXPECT(errno == 4711);
		if (!frees() && n > 1 << 20)
			break;
	}
	free(NULL);
	EXPECT(errno == 4711);
}

TEST(sized_frees_of_c23_and_the_second_names_of_glibc_work)
{
	void (*free_sized)(void *, size_t);
	void (*free_aligned_sized)(void *, size_t, size_t);
	void *(*second_malloc)(size_t);
	void (*second_free)(void *);

	*(void **)&free_sized = dlsym(RTLD_DEFAULT, "free_sized");
	*(void **)&free_aligned_sized = dlsym(RTLD_DEFAULT, "free_aligned_sized");
	*(void **)&second_malloc = dlsym(RTLD_DEFAULT, "__libc_malloc");
	*(void **)&second_free = dlsym(RTLD_DEFAULT, "__libc_free");
	if (free_sized == NULL && any_malloc)
		return;
	for (size_t n = 1; n < 100000; n = n * 3) {
		free_sized(malloc(n), n);
		free_aligned_sized(aligned_alloc(256, n), 256, n);
		free(second_malloc(n));
		second_free(malloc(n));
	}
	free_sized(NULL, 10);
}

TEST(mallinfo_adds_up_and_sees_what_is_live)
{
	void *const p = malloc(100000);
	const struct mallinfo2 m = mallinfo2();

	EXPECT(m.arena + m.hblkhd >= 100000 && m.uordblks + m.hblkhd >= 100000);
	EXPECT(m.arena == m.uordblks + m.fordblks);
	free(p);
	EXPECT(mallopt(-4711, 1) == 0 || any_malloc);
}

TEST(malloc_info_writes_xml_and_refuses_options)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	EXPECT(malloc_info(1, out) == EINVAL);
	EXPECT(malloc_info(0, out) == 0);
	fclose(out);
	EXPECT(strncmp(text, "<malloc version=", 16) == 0);
	EXPECT(strcmp(text + len - 10, "</malloc>\n") == 0);
	free(text);
}

TEST(malloc_stats_says_a_line_on_stderr)
{
	char line[256] = "";
	int end[2];

	EXPECT(pipe(end) == 0 && dup2(end[1], STDERR_FILENO) >= 0);
	malloc_stats();
	EXPECT(read(end[0], line, sizeof line - 1) > 0 && strchr(line, '\n') != NULL);
}

TEST(malloc_trim_keeps_what_is_live)
{
	enum { COUNT = 3000 };
	static char *p[COUNT];

	for (unsigned i = 0; i < COUNT; i++)
		fill(p[i] = malloc(1000), 1000, i);
	for (unsigned i = 0; i < COUNT; i++)
		if (i % 3 != 0 || i > COUNT / 2) {
			free(p[i]);
			p[i] = NULL;
		}
	malloc_trim(0);
	for (unsigned i = 0; i < COUNT; i++)
		EXPECT(p[i] == NULL || is_filled(p[i], 1000, i));
	for (unsigned i = 0; i < COUNT; i++) {
		char *const q = malloc(2000);
		fill(q, 2000, i);
		free(p[i]);
		p[i] = q;
	}
	for (unsigned i = 0; i < COUNT; i++)
		EXPECT(is_filled(p[i], 2000, i));
}

TEST(freed_memory_is_used_again)
{
	const char *const start = sbrk(0);

	if (!frees())
		return;
	for (int i = 0; i < 2000; i++) {
		char *const p = malloc(100000);
		p[0] = p[99999] = 1;
		free(p);
	}
	EXPECT((size_t)((char *)sbrk(0) - start) < 16 << 20);
}
