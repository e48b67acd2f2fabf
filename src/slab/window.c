/* window.c - see window.h. */
#include "slab/window.h"

#include <errno.h>

#include "base/bits.h"
#include "slab/slab.h"

enum {
	POOL_ALIGN = 4096, /* of records of this size and more */
	HEAD_PAGES = 512,  /* room for the distances between the tables at one end of the window */
	POOL_FIRST = 768 << 10, /* bytes of the pool inside the window: a block and two heaps */
	SEGMENT = 1 << 20,      /* bytes by which the search goes on elsewhere */
	DRAWS = 16,             /* windows that are tried before a smaller one is */
	CHUNKS_LEAST = 8,
	FILLED_FROM = 4,        /* chunks: a smaller heap's tables get the pages it uses alone */
};
static const size_t BIG = 1 << 30; /* a page of page directories */

static struct chunk_block *blocks[CHUNKS_MAX / BLOCK_CHUNKS];

struct lock window_lock;

static struct {
	char *at, *end;   /* what is mapped and not given out */
	bool locked;      /* window_is_locked() */
} pool;

uint64_t window_random(void)
{
	return root.os->random != NULL ? root.os->random(root.os->ctx) : 0;
}

/* ---- where everything lies ------------------------------------------------------------------- */

/* Bytes of live, avail or marks: one bit for each 16 bytes of payload. */
static size_t bits_len(size_t granules)
{
	return granules * GRANULE_WORDS * sizeof(uint64_t);
}

struct layout {
	uintptr_t start[TABLES], base;
	size_t slack; /* for random distances */
};

static size_t page(void)
{
	return root.os->page;
}

/* Bytes; one huge page if pages have 4 KiB. */
static size_t head_len(void)
{
	return HEAD_PAGES * page();
}

static size_t random_pages(size_t most)
{
	return (1 + window_random() % most) * page();
}

/* A multiple of `unit` bytes, up to `most`. */
static size_t random_distance(size_t most, size_t unit)
{
	return most < unit ? 0 : window_random() % (most / unit + 1) * unit;
}

/* Large windows are placed at multiples of a page of page directories, small ones where they
 * fit. */
static size_t step_of(size_t chunks)
{
	return chunks >= CHUNKS_MAX / 64 ? BIG : HUGE_PAGE_SIZE;
}

/* The bytes of a window without payload and random distances. */
static size_t tables_len(size_t chunks)
{
	const size_t granules = chunks * CHUNK_GRANULES, step = step_of(chunks);
	return 3 * round_up(bits_len(granules), step) +
	       round_up(granules * sizeof(struct slab), step) +
	       round_up(granules * sizeof(root.tags[0]), HUGE_PAGE_SIZE) + 4 * step +
	       2 * HUGE_PAGE_SIZE + 3 * head_len();
}

static size_t slack_of(size_t chunks)
{
	return chunks >= CHUNKS_MAX / 64 ? chunks * HUGE_PAGE_SIZE / 16 : 0;
}

/* The tables of a window that begins at `at`. */
static struct layout layout_at(uintptr_t at, size_t chunks)
{
	const size_t granules = chunks * CHUNK_GRANULES, step = step_of(chunks),
	    slack = slack_of(chunks) / 2;
	const size_t near = step == BIG ? BIG / 4 : 0;
	struct layout l;

	const uintptr_t first =
	    round_up(at + bits_len(granules) + random_distance(slack, step), step) + HUGE_PAGE_SIZE;
	l.start[TABLE_AVAIL] = first + 96 * page() + random_pages(64);
	l.start[TABLE_POOL] = l.start[TABLE_AVAIL] + random_pages(48);
	l.start[TABLE_LIVE] = l.start[TABLE_POOL] + POOL_FIRST + random_pages(48);
	l.start[TABLE_MARKS] =
	    first + head_len() + round_up(bits_len(granules), page()) + random_pages(64);
	const uintptr_t behind = l.start[TABLE_MARKS] + bits_len(granules) +
	    granules * sizeof(struct slab) + random_distance(slack, step);
	const uintptr_t second = round_up(behind, step) + random_distance(near, HUGE_PAGE_SIZE);
	l.start[TABLE_SLABS] = second + 64 * page() + random_pages(128);
	l.start[TABLE_TAGS] = l.start[TABLE_SLABS] + random_pages(128);
	l.base =
	    round_up(l.start[TABLE_TAGS] + granules * sizeof(root.tags[0]) + page(),
	        HUGE_PAGE_SIZE) +
	    random_distance(near, HUGE_PAGE_SIZE);
	return l;
}

static void take_layout(const struct layout *l, size_t chunks)
{
	const uintptr_t word = l->base >> WORD_SHIFT;

	for (int i = 0; i < TABLES; i++)
		root.table[i] = (struct table_range){l->start[i], 0};
	root.base = l->base;
	root.tags = (_Atomic uint32_t *)l->start[TABLE_TAGS];
	root.slabs = (struct slab *)l->start[TABLE_SLABS] - 1;
	root.live = (_Atomic uint64_t *)l->start[TABLE_LIVE] - word;
	root.marks = (_Atomic uint64_t *)l->start[TABLE_MARKS] - word;
	root.tags_by_address = root.tags - (l->base >> GRANULE_SHIFT);
	root.avail = (_Atomic uint64_t *)l->start[TABLE_AVAIL] - 1 + word;
	root.chunk_limit = (uint32_t)chunks;
	root.chunk_count = root.meta_ready = root.chunks_revoked = root.absent_rows = 0;
	root.payload_mapped = 0;
	atomic_store_explicit(&window_filled, FILLED_FROM, memory_order_relaxed);
	root.blocks = blocks;
	pool.at = pool.end = (char *)l->start[TABLE_POOL];
	pool.locked = false;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* Map this many bytes of a table. 0; -EEXIST: a foreign mapping lies there; or -ENOMEM. */
static int table_grow(enum table_kind t, size_t len)
{
	struct table_range *const r = &root.table[t];
	const size_t want = round_up(len, page()), more = want - min_size(want, r->mapped);
	const uintptr_t at = table_grows_down(t) ? r->start - want : r->start + r->mapped;
	const int error = more == 0 ? 0 : root.os->map_at(root.os->ctx, (void *)at, more);

	if (error < 0)
		return error;
	r->mapped += more;
	return 0;
}

static bool blocks_grow(uint32_t chunks)
{
	for (uint32_t i = (root.meta_ready + BLOCK_CHUNKS - 1) / BLOCK_CHUNKS;
	     i * BLOCK_CHUNKS < chunks; i++) {
		if (blocks[i] == NULL)
			blocks[i] = window_pool(sizeof(struct chunk_block));
		if (blocks[i] == NULL)
			return false;
	}
	return true;
}

/* Parts that were mapped before a refusal stay, and are there the next time. */
static int tables_grow_to(uint32_t chunks)
{
	const size_t granules = (size_t)chunks * CHUNK_GRANULES;
	int error = table_grow(TABLE_AVAIL, bits_len(granules));

	if (error == 0)
		error = table_grow(TABLE_LIVE, bits_len(granules));
	if (error == 0)
		error = table_grow(TABLE_MARKS, bits_len(granules));
	if (error == 0)
		error = table_grow(TABLE_SLABS, granules * sizeof(struct slab));
	if (error == 0)
		error = table_grow(TABLE_TAGS, granules * sizeof(root.tags[0]));
	if (error == 0 && !blocks_grow(chunks))
		error = -ENOMEM;
	if (error == 0)
		root.meta_ready = chunks;
	return error;
}

/* Each growth of a table is a system call under page_lock, so tables grow seldom: by as much as
 * there is, up to 3 MiB, or only by the need, if more is refused. Memory mapped ahead is not
 * resident before it is written to. */
bool window_grow_tables(uint32_t count)
{
	enum { AHEAD_MOST = 64 };
	const uint32_t ahead = pool.locked ? 0 : (uint32_t)min_size(root.meta_ready, AHEAD_MOST);
	const uint32_t to =
	    (uint32_t)min_size(max_size(count, root.meta_ready + ahead), root.chunk_limit);

	if (count <= root.meta_ready)
		return true;
	if (count > root.chunk_limit)
		return false;
	if (tables_grow_to(to) == 0)
		return true;
	const int error = tables_grow_to(count);
	if (error == -EEXIST) /* the window ends here */
		root.chunk_limit = root.meta_ready;
	return error == 0;
}

/* Without this, a slab that begins in new pages of the tables costs two to four page faults: these
 * were the slowest calls of malloc, one in a thousand.  Where threads free what others allocated,
 * the first free into each page of marks costs one as well: of such a program's frees one in 80. */
_Atomic uint32_t window_filled;

static void fill(const volatile void *p, size_t len)
{
	root.os->advise(root.os->ctx, (void *)(uintptr_t)p, len, DMM_ADVICE_POPULATE);
}

void window_fill_tables(uint32_t chunk)
{
	const size_t known =
	    __atomic_load_n(&root.units, __ATOMIC_ACQUIRE) / (HUGE_PAGE_SIZE >> UNIT_SHIFT);
	const uint32_t filled = atomic_load_explicit(&window_filled, memory_order_relaxed);
	/* The tables of a chunk below, which a large object may fill too, only if it is near. */
	const uint32_t near = 1 + chunk / 16;
	const uint32_t first = (uint32_t)max_size(filled, chunk - near);
	const uint32_t end = (uint32_t)min_size(known, chunk + near);

	if (filled > chunk || end <= first)
		return;
	atomic_store_explicit(&window_filled, end, memory_order_relaxed);
	const size_t granules = (size_t)(end - first) * CHUNK_GRANULES;
	const char *const p = granule_address(first * CHUNK_GRANULES);
	fill(live_word_at(p), bits_len(granules));
	if (__atomic_load_n(&root.marked, __ATOMIC_RELAXED) != MARKED_NOT)
		fill(mark_word(p), bits_len(granules));
	/* these two grow downwards */
	fill(avail_word(p + granules * GRANULE - 1), bits_len(granules));
	fill(slab_at(end * CHUNK_GRANULES - 1), granules * sizeof(struct slab));
}

size_t window_tables_len(void)
{
	size_t bytes = 0;

	for (int t = 0; t < TABLES; t++)
		bytes += root.table[t].mapped;
	for (const struct pool_segment *s = root.segments; s != NULL; s = s->next)
		bytes += s->len;
	return bytes;
}

/* ---- the pool -------------------------------------------------------------------------------- */

/* Make room for len bytes at pool.at, in the window or in a mapping elsewhere. */
static bool pool_grow(size_t len)
{
	const struct table_range *const r = &root.table[TABLE_POOL];
	const size_t more = round_up(len - ptr_diff(pool.end, pool.at), page());

	if (pool.end == (char *)r->start + r->mapped && r->mapped + more <= POOL_FIRST &&
	    table_grow(TABLE_POOL, r->mapped + more) == 0) {
		pool.end += more;
		return true;
	}
	const size_t least = round_up(len + POOL_ALIGN, page()),
	    n = pool.locked ? least : max_size(least, SEGMENT);
	struct pool_segment *s = root.os->map(root.os->ctx, n, page());
	if (s != NULL)
		s->len = n;
	else if ((s = root.os->map(root.os->ctx, least, page())) != NULL)
		s->len = least;
	else
		return false;
	s->next = root.segments;
	root.segments = s;
	pool.at = (char *)s + CACHE_LINE;
	pool.end = (char *)s + s->len;
	return true;
}

void *window_pool(size_t len)
{
	const size_t align = len >= POOL_ALIGN ? POOL_ALIGN : CACHE_LINE;
	void *p = NULL;

	lock_take(&window_lock);
	char *at = (char *)round_up((uintptr_t)pool.at, align);
	if (at + len <= pool.end || pool_grow(ptr_diff(at, pool.at) + len)) {
		at = (char *)round_up((uintptr_t)pool.at, align);
		pool.at = at + len;
		p = at;
	}
	lock_give(&window_lock);
	return p;
}

/* ---- payload --------------------------------------------------------------------------------- */

bool window_is_locked(void)
{
	return pool.locked;
}

enum mapped window_map(uint32_t first, uint32_t count)
{
	const struct dmm_os *const os = root.os;
	char *const p = granule_address(first);
	const size_t len = (size_t)count * GRANULE;
	const int error = os->map_at(os->ctx, p, len);

	if (error < 0)
		return error == -EEXIST ? MAPPED_BY_OTHERS : MAPPED_NOT;
	os->advise(os->ctx, p, len, DMM_ADVICE_NOHUGE);
	pool.locked = pool.locked || error > 0;
	root.payload_mapped += len;
	return MAPPED;
}

bool window_unmap(uint32_t first, uint32_t count)
{
	const size_t len = (size_t)count * GRANULE;

	if (root.os->unmap(root.os->ctx, granule_address(first), len) != 0)
		return false;
	root.payload_mapped -= len;
	return true;
}

/* ---- open and close -------------------------------------------------------------------------- */

/* The first pieces of all tables. */
static int begin_at(uintptr_t at, size_t chunks)
{
	const struct layout l = layout_at(at, chunks);

	take_layout(&l, chunks);
	const int error = tables_grow_to(1);
	if (error != 0)
		window_close();
	return error;
}

/* A page of page tables more for each border that tables and payload lie across. */
static bool lies_well(uintptr_t at, size_t chunks)
{
	const size_t half = (size_t)1 << 39, head = tables_len(chunks) + slack_of(chunks);
	return step_of(chunks) != BIG || at / half == (at + head) / half;
}

static size_t next_smaller(size_t chunks)
{
	return is_pow2(chunks) ? chunks / 4 * 3 : chunks / 3 * 2;
}

int window_open(const struct dmm_os *os)
{
	int error = -ENOMEM;

	root.os = os;
	if (os->window == NULL || os->map_at == NULL)
		return -ENOMEM;
	for (size_t chunks = CHUNKS_MAX; chunks >= CHUNKS_LEAST; chunks = next_smaller(chunks)) {
		const size_t len = tables_len(chunks) + slack_of(chunks) + chunks * HUGE_PAGE_SIZE;
		for (int draw = 0; draw < DRAWS; draw++) {
			const uintptr_t at = (uintptr_t)os->window(os->ctx, len, step_of(chunks));
			if (at == 0)
				break;
			if (!lies_well(at, chunks) && draw < DRAWS / 2)
				continue;
			if ((error = begin_at(at, chunks)) == 0) {
				root.window = at;
				root.window_len = len;
				return 0;
			}
			if (error != -EEXIST)
				return -ENOMEM;
		}
	}
	root.base = 0;
	return -ENOMEM;
}

static void close_payload(void)
{
	for (uint32_t i = 0; i < root.chunk_count; i++) {
		const struct slab_chunk *const c = chunk_at(i);
		const uint32_t from = i == 0;
		if (c->state == CHUNK_HERE && c->mapped > from)
			window_unmap(i * CHUNK_GRANULES + from, c->mapped - from);
	}
}

void window_close(void)
{
	const struct dmm_os *const os = root.os;

	close_payload();
	for (size_t i = 0; i < CHUNKS_MAX / BLOCK_CHUNKS && blocks[i] != NULL; i++)
		blocks[i] = NULL;
	for (struct pool_segment *s = root.segments, *next; s != NULL; s = next) {
		next = s->next;
		os->unmap(os->ctx, s, s->len);
	}
	for (enum table_kind t = 0; t < TABLES; t++) {
		const struct table_range *const r = &root.table[t];
		if (r->mapped != 0)
			os->unmap(os->ctx, (void *)table_address(t), r->mapped);
		root.table[t].mapped = 0;
	}
	root.segments = NULL;
	root.chunk_count = root.chunk_limit = root.meta_ready = 0;
	root.base = 0;
}
