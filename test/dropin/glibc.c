/* glibc.c - glibc's interfaces beyond C and POSIX: mallinfo2, mallopt, malloc_info, and corners. */
#include "dropin.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "os/libc.h"

static size_t opaque(size_t n)
{
	__asm__("" : "+r"(n));
	return n;
}

/* 10 MB in objects of 1 KB, and their usable bytes. */
enum { OBJECTS = 10000, OBJECT = 1000 };
static char *objects[OBJECTS];

static size_t fill_heap(void)
{
	size_t usable = 0;

	for (int i = 0; i < OBJECTS; i++) {
		objects[i] = malloc(OBJECT);
		EXPECT(objects[i] != NULL);
		memset(objects[i], 1, OBJECT);
		usable += malloc_usable_size(objects[i]);
	}
	return usable;
}

/* Headers of objects count as their padding: 32 bytes in the most generous design. */
TEST(mallinfo2_tells_what_10_MB_of_live_objects_take_and_no_more)
{
	const struct mallinfo2 before = mallinfo2();
	const size_t usable = fill_heap();
	const struct mallinfo2 after = mallinfo2();
	const size_t grown = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;

	EXPECT(grown >= usable && grown <= usable + usable / 100 + (size_t)32 * OBJECTS);
	EXPECT(after.arena == after.uordblks + after.fordblks);
	EXPECT(after.arena + after.hblkhd < usable + ((size_t)32 * OBJECTS) + (16 << 20));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	const struct mallinfo old = mallinfo();
#pragma GCC diagnostic pop
	EXPECT((size_t)old.arena == after.arena && (size_t)old.uordblks == after.uordblks);
	EXPECT(old.arena == old.uordblks + old.fordblks);
}

TEST(mallinfo2_tells_that_half_of_10_MB_is_free_again)
{
	const size_t usable = fill_heap();
	const struct mallinfo2 full = mallinfo2();

	if ((traits & DMM_FREES) == 0)
		return;
	for (int i = 0; i < OBJECTS; i += 2)
		free(objects[i]);
	const struct mallinfo2 half = mallinfo2();
	const size_t fell = full.uordblks + full.hblkhd - half.uordblks - half.hblkhd;
	EXPECT(fell >= usable / 2 - usable / 100 &&
	       fell <= usable / 2 + usable / 100 + 32 * OBJECTS / 2);
	EXPECT(half.arena == half.uordblks + half.fordblks);
	EXPECT(half.ordblks >= 1 || half.fordblks == 0);
}

TEST(a_large_object_is_in_mallinfo2)
{
	const struct mallinfo2 before = mallinfo2();
	char *const p = malloc(64 << 20);
	EXPECT(p != NULL);
	p[0] = p[(64 << 20) - 1] = 1;
	const struct mallinfo2 after = mallinfo2();
	const size_t grown = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	/* a buddy allocator gives up to twice as much */
	EXPECT(grown >= 64 << 20 && grown <= malloc_usable_size(p) + (1 << 20));
	free(p);
}

/* ---- malloc_info ----------------------------------------------------------------------------- */

/* Every tag is closed, in order; *at moves past the text. */
static void check_tags(const char *text)
{
	const char *open[16];
	size_t len[16], depth = 0;

	for (const char *t = strchr(text, '<'); t != NULL; t = strchr(t + 1, '<')) {
		const char *const end = strchr(t, '>');
		EXPECT(end != NULL);
		const char *const name = t + 1 + (t[1] == '/');
		const size_t n = strcspn(name, " />");
		EXPECT(n != 0);
		if (t[1] == '/') {
			EXPECT(depth > 0 && len[depth - 1] == n &&
			       memcmp(open[depth - 1], name, n) == 0);
			depth--;
		} else if (end[-1] != '/') {
			EXPECT(depth < 16);
			open[depth] = name;
			len[depth++] = n;
		}
		t = end;
	}
	EXPECT(depth == 0);
}

static size_t size_in(const char *at, const char *end, const char *tag)
{
	const char *const found = strstr(at, tag);
	EXPECT(found != NULL && found < end);
	const char *const size = strstr(found, "size=\"");
	EXPECT(size != NULL && size < end);
	return strtoul(size + 6, NULL, 10);
}

/* glibc has other kinds; the sum is ours. */
static void check_totals(const char *at, const char *end)
{
	const size_t live = size_in(at, end, "type=\"live\""),
	             rest = size_in(at, end, "type=\"rest\""),
	             meta = size_in(at, end, "type=\"meta\""),
	             pad = size_in(at, end, "type=\"pad\"");

	EXPECT(live >= (size_t)OBJECTS * OBJECT);
	EXPECT(live + rest + meta + pad == size_in(at, end, "<system type=\"current\""));
}

TEST(malloc_info_is_xml_whose_totals_add_up)
{
	char *text = NULL;
	size_t len = 0;
	FILE *const out = open_memstream(&text, &len);

	fill_heap();
	EXPECT(malloc_info(0, out) == 0 && fclose(out) == 0);
	check_tags(text);
	if (any_malloc)
		return;
	const char *const heap_end = strstr(text, "</heap>");
	EXPECT(heap_end != NULL);
	check_totals(text, heap_end);
	check_totals(heap_end, text + len);
}

/* ---- mallopt --------------------------------------------------------------------------------- */

TEST(mallopt_takes_the_constants_of_malloc_h_and_no_others)
{
	static const int accepted[][2] = {{M_MXFAST, 64}, {M_MXFAST, 0}, {M_NLBLKS, 1},
	    {M_GRAIN, 1}, {M_KEEP, 1}, {M_TRIM_THRESHOLD, 1 << 20}, {M_TRIM_THRESHOLD, -1},
	    {M_TOP_PAD, 1 << 16}, {M_MMAP_THRESHOLD, 1 << 20}, {M_MMAP_MAX, 0}, {M_MMAP_MAX, 65536},
	    {M_CHECK_ACTION, 3}, {M_PERTURB, 0}, {M_ARENA_TEST, 2}, {M_ARENA_MAX, 1}};
	int (*second)(int, int);

	for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
		EXPECT(mallopt(accepted[i][0], accepted[i][1]) == 1);
	EXPECT(mallopt(M_MXFAST, 1 << 20) == 0);
	if (any_malloc) /* glibc says 1 to whatever it does not know */
		return;
	static const int refused[] = {5, -9, 4711, -4711, INT_MAX, INT_MIN, 0};
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		EXPECT(mallopt(refused[i], 1) == 0);
	*(void **)&second = dlsym(RTLD_DEFAULT, "__libc_mallopt");
	EXPECT(second != NULL && second(M_TOP_PAD, 0) == 1);
	free(malloc(100000));
}

static bool all_are(const char *p, size_t from, size_t to, int byte)
{
	for (size_t i = from; i < to; i++)
		if ((unsigned char)p[i] != (unsigned char)byte)
			return false;
	return true;
}

TEST(m_perturb_fills_what_malloc_gives_with_the_complement)
{
	void *const kept = malloc(300); /* from before */

	EXPECT(mallopt(M_PERTURB, 0x15a) == 1); /* the least significant byte counts */
	for (size_t n = 1; n < 100000; n = n * 2 + 1) {
		char *p = malloc(n);
		EXPECT(all_are(p, 0, n, ~0x5a));
		free(p);
		p = calloc(1, n);
		EXPECT(all_are(p, 0, n, 0));
		free(p);
		p = aligned_alloc(64, n);
		EXPECT(all_are(p, 0, n, ~0x5a));
		memset(p, 1, n);
		p = realloc(p, 2 * n);
		EXPECT(all_are(p, 0, n, 1));
		free(p);
	}
	free(kept);
	EXPECT(mallopt(M_PERTURB, 0) == 1);
	char *const p = calloc(1, 200);
	free(p);
}

/* The first and the last bytes of a free object may hold links of the design; zero_on_free clears
 * them instead. */
static bool is_perturbed(const char *p, size_t from, size_t to)
{
	return all_are(p, from, to, 0x5a) || all_are(p, from, to, 0);
}

/* Memory that is freed there cannot be read. */
static bool all_is_guarded(void)
{
	const char *const conf = getenv("DMM_CONF");
	return conf != NULL && strstr(conf, "guarded_every:1") != NULL;
}

TEST(m_perturb_fills_what_is_freed)
{
	void *const kept = malloc(300);
	char *const p = malloc(400);
	void *const after = malloc(300);

	if (is_vm || all_is_guarded())
		return;
	EXPECT(mallopt(M_PERTURB, 0x5a) == 1);
	memset(p, 7, 400);
	free(p);
	EXPECT(is_perturbed(p, 64, 300));
	free(after);
	char *const q = malloc(900); /* one that began and ends its life while it is on */
	void *const barrier = malloc(300);
	memset(q, 7, 900);
	free(q);
	EXPECT(is_perturbed(q, 64, 700));
	free(barrier);
	free(kept);
}

/* ---- corners --------------------------------------------------------------------------------- */

TEST(malloc_trim_returns_1_where_it_gave_memory_back_and_else_0)
{
	EXPECT(malloc_trim(0) <= 1);
	if ((traits & DMM_RETURNS) == 0 || is_vm)
		return;
	static char *p[400];
	for (int i = 0; i < 400; i++)
		memset(p[i] = malloc(20000), 1, 20000);
	/* an object above all others, so that lowering the break gives nothing back */
	void *volatile last = malloc(20000);
	for (int i = 0; i < 400; i++)
		free(p[i]);
	free(last);
	const int first = malloc_trim(0);
	EXPECT(first == 0 || first == 1);
	malloc_trim(0);
	EXPECT(malloc_trim(0) == 0 || any_malloc);
}

TEST(cfree_of_old_programs_frees)
{
	void (*old_free)(void *);

	*(void **)&old_free = dlsym(RTLD_DEFAULT, "cfree");
	if (old_free == NULL && any_malloc) /* of no version that a new program may ask for */
		return;
	EXPECT(old_free != NULL);
	for (int i = 0; i < 1000; i++)
		old_free(malloc(100));
	old_free(NULL);
}

TEST(no_alignment_and_no_size_are_no_crash)
{
	void *p = memalign(opaque(0), 100);
	EXPECT(p != NULL && (uintptr_t)p % 16 == 0);
	free(p);
	errno = 0;
	p = aligned_alloc(opaque(0), 100); /* EINVAL since glibc 2.38 */
	EXPECT(p != NULL || errno == EINVAL);
	free(p);
	for (size_t align = 8; align <= 1 << 16; align *= 4) {
		EXPECT(posix_memalign(&p, align, opaque(0)) == 0);
		EXPECT((uintptr_t)p % align == 0);
		free(p);
		p = memalign(align, opaque(0));
		EXPECT((uintptr_t)p % align == 0);
		free(p);
	}
	free(valloc(opaque(0)));
	free(pvalloc(opaque(0)));
	p = reallocarray(NULL, opaque(0), 8);
	free(p);
	p = reallocarray(malloc(10), opaque(3), 5);
	EXPECT(p != NULL && malloc_usable_size(p) >= 15);
	free(p);
	EXPECT(malloc_usable_size(NULL) == 0);
}
