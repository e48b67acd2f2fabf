/* damage_test.c - slab's checker names each rule that is broken, and no rule before or after; the
 * walk visits every object once. */
#include <string.h>

#include "base/bits.h"
#include "fake_kernel.h"
#include "slab/alloc.h"
#include "slab/fast.h"
#include "slab/page_heap.h"
#include "slab/system.h"
#include "test.h"

enum { OBJECTS = 300 }; /* they do not fill a chunk */
static char *small[OBJECTS], *medium[OBJECTS], *large;

static void begin(void)
{
	paper_begin("guarded:0");
	large = slab_malloc(100000);
	for (int i = 0; i < OBJECTS; i++) {
		small[i] = slab_malloc(64);
		medium[i] = slab_malloc(5440);
	}
	for (int i = 0; i < OBJECTS; i += 2) {
		slab_free(small[i]);
		slab_free(medium[i]);
	}
	slab_free(slab_malloc(300000)); /* dirty granules */
	paper_sound();
}

static void end(void)
{
	paper_sound();
	paper_end();
}

static void broken(const char *rule)
{
	struct dmm_fault why = {.rule = "(none)"};

	assert_false(slab_check_all(&why));
	assert_string_equal(why.rule, rule);
	assert_true(why.addr != 0);
}

/* Another value, the rule, and the old one again.  Behind the comma an atomic type is none. */
#define BREAK(place, value, rule)                                                                  \
	do {                                                                                       \
		const __typeof__(place) was = (place);                                             \
		(place) = (__typeof__((void)0, place))(value);                                     \
		broken(rule);                                                                      \
		(place) = was;                                                                     \
		paper_sound();                                                                     \
	} while (0)

static struct slab *slab_of(const char *p)
{
	return slab_covering(((uintptr_t)p - root.base) >> GRANULE_SHIFT);
}

/* A slab of the class of n bytes in which some objects are avail, in its heap's list. */
static struct slab *listed(size_t n)
{
	return slab_at(thread_cache.heap->partial[class_of(n)]);
}

TEST(damage_to_the_page_heap_is_named)
{
	begin();
	struct slab_chunk *const c = chunk_at(0);
	const unsigned g = granule_of(slab_of(large));
	assert_true(g < 64);
	BREAK(c->dirty[0], c->dirty[0] | 1ull << g, "P1 dirty");
	BREAK(c->dirty[1], c->dirty[1] | ~c->free[1], "P1 dirty");
	BREAK(c->free_bin, c->free_bin + 1, "P2 filed");
	BREAK(c->dirty_bin, c->dirty_bin - 1, "P2 filed");
	BREAK(bins_at(0)->bin[0][c->free_bin], bins_at(0)->bin[0][c->free_bin] & ~1ull, "P2 filed");
	BREAK(bins_at(0)->bin[1][1], bins_at(0)->bin[1][1] ^ 1, "P2 filed");
	BREAK(bins_at(0)->bin[0][RUN_BINS - 1], bins_at(0)->bin[0][RUN_BINS - 1] ^ 1, "P2 filed");
	BREAK(root.used, root.used + 1, "P3 counted");
	BREAK(root.dirty, root.dirty - 1, "P3 counted");
	end();
}

TEST(damage_to_a_slab_is_named)
{
	begin();
	struct slab *const s = slab_of(small[1]), *const m = slab_of(medium[1]);
	char *const between = small[1] + 16;
	BREAK(*avail_word(between), *avail_word(between) | bit_of(between), "S1 starts");
	BREAK(*live_word_at(between), *live_word_at(between) | bit_of(between), "S1 starts");
	char *const tail = slab_start(m) + m->granules * (size_t)GRANULE - 16;
	BREAK(*live_word_at(tail), *live_word_at(tail) | bit_of(tail), "S1 starts");
	BREAK(*avail_word(small[1]), *avail_word(small[1]) | bit_of(small[1]), "S8 once");
	BREAK(s->avail, s->avail + 1, "S2 counted");
	struct slab *const in = listed(5440);
	assert_true(in->avail > 0);
	BREAK(in->avail, 0, "S2 counted");
	assert_true(m->granules > 1);
	BREAK(slab_at(granule_of(m) + 1)->head, granule_of(m) + 1, "S3 head");
	BREAK(slab_at(granule_of(m) + m->granules - 1)->head, granule_of(s), "S3 head");
	BREAK(slab_at(granule_of(m) + 1)->kind, GRANULE_NONE, "S3 head");
	BREAK(root.tags[granule_of(m)], root.tags[granule_of(m)] + TAG_MAGAZINE, "S4 tagged");
	BREAK(root.tags[granule_of(m) + 1], 0, "S4 tagged");
	BREAK(root.tags[granule_of(m) + m->granules - 1], tag_of(HEAP_FALLBACK, m->cls),
	    "S4 tagged");
	end();
}

TEST(damage_to_a_heaps_lists_and_stacks_is_named)
{
	begin();
	struct slab_heap *const h = thread_cache.heap;
	struct slab *const in = listed(64), *const full = slab_of(large);
	(void)full;
	BREAK(in->listed, LISTED_NOT, "S5 listed");
	BREAK(h->partial_granules, h->partial_granules + 1, "S5 listed");
	BREAK(h->partial[class_of(64)], 0, "S5 listed");
	BREAK(h->partial[class_of(80)], granule_of(in), "S5 listed");
	BREAK(root.kept, root.kept + 1, "S7 kept");
	const struct magazine *const k = &thread_cache.magazine[class_of(64)];
	assert_false(magazine_empty(k));
	char *const top = k->top[-1], *const bottom = *magazine_bottom(h, class_of(64), k);
	BREAK(*live_word_at(top), *live_word_at(top) | bit_of(top), "S6 cached");
	BREAK(*live_word_at(bottom), *live_word_at(bottom) | bit_of(bottom), "S6 cached");
	BREAK(k->top[-1], small[1], "S6 cached");     /* live */
	char *const other = thread_cache.magazine[class_of(5440)].top[-1];
	BREAK(k->top[-1], other, "S6 cached");        /* of another class */
	end();
}

TEST(damage_to_large_objects_is_named)
{
	begin();
	struct slab *const run = slab_of(large);
	uint32_t free_granule = granule_of(run) + run->run;
	while (!(chunk_at(0)->free[free_granule / 64] >> free_granule % 64 & 1))
		free_granule++;
	BREAK(slab_at(free_granule)->kind, GRANULE_RUN, "L1 alone");
	BREAK(slab_at(free_granule)->kind, GRANULE_SLAB, "L1 alone");
	BREAK(slab_at(free_granule)->kind, GRANULE_REST, "L1 alone");
	BREAK(run->run, free_granule - granule_of(run) + 1, "L1 alone");
	end();
}

struct tally {
	uintptr_t at;
	size_t live, runs, most_live;
};

static int count(void *arg, const struct dmm_piece *piece)
{
	struct tally *const t = arg;

	assert_true(piece->addr >= t->at);
	assert_true(piece->len > 0);
	t->at = piece->addr + piece->len;
	t->live += piece->kind == DMM_LIVE && strcmp(piece->what, "object") == 0;
	t->runs += piece->kind == DMM_LIVE && strcmp(piece->what, "run") == 0;
	return 0;
}

TEST(the_walk_tells_every_live_object_once_and_nothing_else_as_live)
{
	begin();
	struct tally t = {0};
	assert_int_equal(slab_walk(count, &t), 0);
	assert_int_equal(t.live, OBJECTS);
	assert_int_equal(t.runs, 1);
	slab_free(large);
	slab_free(small[1]);
	t = (struct tally){0};
	assert_int_equal(slab_walk(count, &t), 0);
	assert_int_equal(t.live, OBJECTS - 1);
	assert_int_equal(t.runs, 0);
	end();
}

static size_t slabs_of_no_bytes(void)
{
	size_t n = 0;
	for (uint32_t g = 1; g < root.chunk_count * CHUNK_GRANULES; g++)
		n += kind_of(slab_at(g)) == GRANULE_SLAB && slab_at(g)->cls == CLASS_ZERO;
	return n;
}

TEST(objects_of_no_bytes_are_addresses_of_their_own_without_memory)
{
	static char *none[3000];

	paper_begin("guarded:0");
	for (int i = 0; i < 3000; i++) {
		none[i] = slab_malloc(0);
		assert_non_null(none[i]);
		assert_int_equal(slab_usable(none[i]), 0);
		assert_true(i == 0 || none[i] != none[i - 1]);
	}
	assert_int_equal(paper_resident(none[0], GRANULE), 0);
	for (int i = 0; i < 3000; i++)
		slab_free(none[i]);
	slab_trim(0);
	assert_true(slabs_of_no_bytes() <= 1);
	/* The memory of the damaged object can be written to again. */
	for (int i = 0; i < 2000; i++)
		memset(slab_malloc(1000), 1, 1000);
	paper_sound();
	paper_end();
}

TEST(a_slab_of_no_bytes_that_cannot_be_made_accessible_again_stays_for_the_next)
{
	enum { MANY = 3000 };
	static char *none[MANY];

	paper_begin("guarded:0");
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++)
			assert_non_null(none[i] = slab_malloc(0));
		const size_t had = slabs_of_no_bytes();
		paper.no_protect = round < 2;
		for (int i = 0; i < MANY; i++)
			slab_free(none[i]);
		slab_trim(0);
		paper_sound();
		assert_int_equal(had, 3);
		assert_int_equal(slabs_of_no_bytes(), paper.no_protect ? had : 1);
		paper.no_protect = false;
	}
	paper_end();
}
