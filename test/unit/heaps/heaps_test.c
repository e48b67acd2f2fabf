/* heaps_test.c - each design as a heap of one's own: growing, in a buffer, at its limit, looked at,
 * destroyed. */
#include "dmm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "test.h"

enum { OBJECTS = 400, ROUNDS = 20000, KIB = 1 << 10, MIB = 1 << 20 };

static void each_design(void (*test)(const char *design))
{
	for (size_t i = 0; dmm_heap_design(i) != NULL; i++)
		test(dmm_heap_design(i));
	assert_true(dmm_heap_design(8) != NULL && dmm_heap_design(9) == NULL);
}

static bool is_one_of(const char *design, const char *names)
{
	return strstr(names, design) != NULL;
}

struct shadow {
	unsigned char *p;
	size_t n;
	unsigned char byte;
};

static void must_be_as_written(const struct shadow *s)
{
	for (size_t i = 0; i < s->n; i++)
		assert_int_equal(s->p[i], s->byte);
}

static size_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(*seed >> 33);
}

/* Random calls against a shadow; what is refused is left as it was.  How many were refused. */
static size_t random_calls(struct dmm_heap *h, size_t rounds, size_t most, uint64_t seed)
{
	struct shadow all[OBJECTS] = {0};
	size_t refused = 0;

	for (size_t i = 0; i < rounds; i++) {
		struct shadow *const s = &all[next_random(&seed) % OBJECTS];
		const size_t n = 1 + next_random(&seed) % most, way = next_random(&seed) % 8;
		must_be_as_written(s);
		if (s->p != NULL && way < 4) {
			dmm_heap_free(h, s->p);
			*s = (struct shadow){0};
			continue;
		}
		unsigned char *const p = s->p != NULL ? dmm_heap_realloc(h, s->p, n)
		                         : way == 7   ? dmm_heap_aligned(h, 256, n)
		                                      : dmm_heap_malloc(h, n);
		if (p == NULL) {
			assert_int_equal(errno, ENOMEM);
			refused++;
			continue;
		}
		assert_true((uintptr_t)p % (way == 7 && s->p == NULL ? 256 : 16) == 0 &&
		            dmm_heap_usable(h, p) >= n);
		*s = (struct shadow){p, n, (unsigned char)i};
		memset(p, s->byte, n);
	}
	for (size_t i = 0; i < OBJECTS; i++)
		must_be_as_written(&all[i]);
	return refused;
}

static int add_len(void *arg, const struct dmm_piece *piece)
{
	size_t *const sum = arg;
	sum[0] += piece->len;
	sum[1] += piece->kind == DMM_LIVE;
	return 0;
}

/* The walk, the check and the statistics agree. */
static void must_be_sound(struct dmm_heap *h)
{
	struct dmm_heap_usage stats;
	struct dmm_fault why;
	size_t walked[2] = {0, 0};

	assert_true(dmm_heap_check(h, &why));
	assert_int_equal(dmm_heap_walk(h, add_len, walked), 0);
	dmm_heap_stats(h, &stats);
	const size_t sum = stats.live_bytes + stats.free_bytes + stats.meta_bytes + stats.pad_bytes;
	assert_int_equal(walked[0], sum);
	assert_int_equal(walked[1], stats.live_objects);
	assert_in_range(sum, stats.owned_bytes / 2, stats.owned_bytes);
	assert_in_range(stats.owned_bytes, 0, stats.peak_bytes);
	assert_in_range(stats.peak_bytes, 0, stats.limit_bytes);
}

static void grow(const char *design)
{
	struct dmm_heap *const h = dmm_heap_create(&(struct dmm_heap_options){.design = design});

	assert_non_null(h);
	assert_int_equal(random_calls(h, is_one_of(design, "minimal pad") ? 2000 : ROUNDS, 2000, 1),
	    0);
	must_be_sound(h);
	dmm_heap_destroy(h);
}

TEST(every_design_is_a_heap_that_keeps_what_is_written)
{
	each_design(grow);
}

static void stay_in_buffer(const char *design)
{
	enum { LEN = 1200 * KIB, ZONE = 64 };
	unsigned char *const all = malloc(LEN + 2 * ZONE);

	memset(all, 0x5a, LEN + 2 * ZONE);
	struct dmm_heap *const h = dmm_heap_create(&(struct dmm_heap_options){
	    .design = design, .buffer = all + ZONE, .buffer_bytes = LEN});
	assert_non_null(h);
	random_calls(h, 4000, 3000, 2);
	void *const fresh = dmm_heap_calloc(h, 1, 1);
	assert_true(fresh == NULL ||
	            ((unsigned char *)fresh > all && (unsigned char *)fresh < all + LEN));
	must_be_sound(h);
	dmm_heap_destroy(h);
	for (size_t i = 0; i < ZONE; i++)
		assert_true(all[i] == 0x5a && all[ZONE + LEN + i] == 0x5a);
	free(all);
}

TEST(a_heap_in_a_buffer_stays_in_it)
{
	each_design(stay_in_buffer);
}

static void fill(const char *design)
{
	struct dmm_heap *const full =
	    dmm_heap_create(&(struct dmm_heap_options){.design = design, .limit_bytes = MIB});
	struct dmm_heap *const other =
	    dmm_heap_create(&(struct dmm_heap_options){.design = design});
	struct dmm_heap_usage stats;
	size_t objects = 0;
	void *last = NULL, *p;

	assert_true(full != NULL && other != NULL);
	while ((p = dmm_heap_malloc(full, 3000)) != NULL) {
		memset(p, 1, 3000);
		last = p;
		assert_true(++objects < MIB / 3000 + 1);
	}
	assert_int_equal(errno, ENOMEM);
	dmm_heap_stats(full, &stats);
	assert_true(stats.refused > 0 && stats.limit_bytes == MIB && stats.owned_bytes <= MIB);
	assert_true(objects > 100);
	assert_non_null(p = dmm_heap_malloc(other, 2 * MIB));
	memset(p, 2, 2 * MIB);
	void *const mine = malloc(2 * MIB);
	assert_non_null(mine);
	free(mine);
	dmm_heap_free(full, last);
	if (!is_one_of(design, "minimal pad"))
		assert_non_null(dmm_heap_malloc(full, 3000));
	must_be_sound(full);
	dmm_heap_destroy(full);
	dmm_heap_destroy(other);
}

TEST(a_limit_refuses_that_heap_alone)
{
	each_design(fill);
}

static size_t resident_kib(void)
{
	unsigned long pages = 0;
	FILE *const f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * 4;
}

static void destroy_full(const char *design)
{
	struct dmm_heap *const h = dmm_heap_create(&(struct dmm_heap_options){.design = design});

	assert_non_null(h);
	for (int i = 0; i < 4000; i++)
		memset(dmm_heap_malloc(h, 4000), i, 4000);
	const size_t full = resident_kib();
	dmm_heap_destroy(h);
	assert_in_range(resident_kib(), 0, full - 12 * KIB);
}

TEST(destroying_a_heap_gives_its_memory_back_with_objects_live)
{
	each_design(destroy_full);
	dmm_heap_destroy(NULL);
}

/* A visitor that does to the heap what would not do under a lock. */
struct busy {
	struct dmm_heap *h;
	size_t seen, live;
};

static int busy_visit(void *arg, const struct dmm_piece *piece)
{
	struct busy *const b = arg;
	void *const mine = malloc(100), *const its = dmm_heap_malloc(b->h, 50);

	assert_true(mine != NULL && its != NULL);
	free(mine);
	dmm_heap_free(b->h, its);
	b->seen++;
	b->live += piece->kind == DMM_LIVE;
	return 0;
}

static int destroying_visit(void *arg, const struct dmm_piece *piece)
{
	(void)piece;
	dmm_heap_destroy(arg);
	return 42;
}

static void walk_busily(const char *design)
{
	struct busy b = {.h = dmm_heap_create(&(struct dmm_heap_options){.design = design})};

	for (int i = 0; i < 1000; i++)
		assert_non_null(dmm_heap_malloc(b.h, 40));
	assert_int_equal(dmm_heap_walk(b.h, busy_visit, &b), 0);
	assert_int_equal(b.live, 1000);
	assert_true(b.seen >= 1000);
	assert_int_equal(dmm_heap_walk(b.h, destroying_visit, b.h), 42);
}

TEST(a_visitor_may_allocate_free_and_destroy)
{
	each_design(walk_busily);
}

TEST(what_cannot_be_is_refused_with_a_reason)
{
	char why[200], small[4 * KIB];
	const struct {
		struct dmm_heap_options options;
		int error;
		const char *word;
	} cases[] = {
	    {{.design = "slab"}, ENOTSUP, "one heap"},
	    {{.design = "lisp"}, ENOENT, "no such design"},
	    {{.conf = "fit:worst"}, EINVAL, "fit"},
	    {{.design = "list", .conf = "footer:check"}, EINVAL, "footer"},
	    {{.buffer = small, .buffer_bytes = sizeof small}, EINVAL, "16 KiB"},
	    {{.reserve_bytes = 1}, EINVAL, "1 MiB"},
	    {{.reserve_bytes = (size_t)1 << 60}, ENOMEM, "addresses"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct dmm_heap_options o = cases[i].options;
		o.problem = why;
		o.problem_bytes = sizeof why;
		errno = 0;
		assert_null(dmm_heap_create(&o));
		assert_int_equal(errno, cases[i].error);
		assert_non_null(strstr(why, cases[i].word));
	}
}

TEST(settings_are_obeyed)
{
	struct dmm_heap *const h = dmm_heap_create(&(struct dmm_heap_options){
	    .design = "bins", .conf = "footer:check,fit:best"});

	assert_non_null(h);
	assert_int_equal(random_calls(h, ROUNDS, 500, 3), 0);
	must_be_sound(h);
	dmm_heap_destroy(h);
}

static void free_of_another(void *arg)
{
	struct dmm_heap *const h = arg;
	int outside;

	dmm_heap_free(h, &outside);
}

TEST(a_pointer_of_another_heap_ends_the_program_with_a_line)
{
	struct dmm_heap *const h = dmm_heap_create(NULL);
	char said[300];

	const int status = test_in_child(free_of_another, h, said, sizeof said);
	assert_int_equal(status & 0x7f, SIGABRT);
	assert_non_null(strstr(said, "not an object of heap"));
	dmm_heap_destroy(h);
}
