/* slab.c - slab's records into a view.  With root.c the only one in
 * the lab that knows their layout.
 *
 *   root --> chunks[]   which granules of 2 MiB are free, which dirty: read, and read again
 *                       after the chunk's records
 *            slabs[]    a record a granule: slab, run, or the rest of one
 *            live[], avail[], marks[]   a bit for 16 bytes: an object begins here; it is free;
 *                                       others freed it
 *            heaps[]    whose the slabs are
 *
 * A record is believed if it fits its place and its neighbours; a chunk in which one does not fit,
 * or whose masks changed meanwhile, is read again, up to AGAIN times. */
#include <stdlib.h>
#include <string.h>

#include "cli/array.h"
#include "base/assert.h"
#include "base/bits.h"
#include "inspect/inspect.h"
#include "slab/root.h"

enum { AGAIN = 4 };

struct outside_tables {
	struct slab_root root;
	struct slab_chunk *chunks;
	size_t chunk_cap;
	uint64_t blocks[CHUNKS_MAX / BLOCK_CHUNKS]; /* addresses */
	struct slab slabs[CHUNK_GRANULES]; /* of the chunk that is being read */
	uint64_t live[CHUNK_GRANULES * GRANULE_WORDS];
	uint64_t avail[CHUNK_GRANULES * GRANULE_WORDS], marks[CHUNK_GRANULES * GRANULE_WORDS];
	struct outside_run found[CHUNK_GRANULES]; /* what was made of them */
	size_t found_count;
	uint64_t torn;
	uint64_t busy_chunks; /* with records of slabs */
	/* bytes in use: of each class the small one, and the large one where it has grown */
	uint64_t magazines;
};

/* ---- one chunk ------------------------------------------------------------------------------- */

static bool bit(const uint64_t mask[2], uint32_t granule)
{
	return mask[granule % CHUNK_GRANULES / 64] >> granule % 64 & 1;
}

static bool is_mapped(const struct slab_chunk *c, uint32_t at)
{
	return c->state == CHUNK_HERE && at < c->mapped;
}

/* The bits of the slab that begins at a granule of the chunk. */
static const uint64_t *bits_of(const uint64_t *bits, uint32_t granule)
{
	return bits + (size_t)(granule % CHUNK_GRANULES) * GRANULE_WORDS;
}

struct object_counts {
	unsigned live, remote, cached, known; /* known: with a bit in either */
};

/* Bits stand only where objects begin, so that counting them counts objects. */
static struct object_counts count_objects(const struct outside_tables *t, uint32_t granule)
{
	const struct slab *const s = &t->slabs[granule % CHUNK_GRANULES];
	const uint64_t *const live = bits_of(t->live, granule),
	    *const avail = bits_of(t->avail, granule);
	struct object_counts n = {0};

	for (unsigned w = 0; w < s->granules * (unsigned)GRANULE_WORDS; w++) {
		n.live += (unsigned)__builtin_popcountll(live[w] & ~avail[w]);
		n.remote += (unsigned)__builtin_popcountll(live[w] & avail[w]);
		n.known += (unsigned)__builtin_popcountll(live[w] | avail[w]);
	}
	n.cached = s->count - (unsigned)min_size(n.known, s->count);
	return n;
}

/* Does the record fit its place, and those that it covers it? */
static bool fits(const struct outside_tables *t, uint32_t granule, const struct slab_chunk *c)
{
	const uint32_t at = granule % CHUNK_GRANULES;
	const struct slab *const s = &t->slabs[at];

	/* or in quarantine */
	if (s->kind == GRANULE_RUN || (s->kind == GRANULE_FREED && s->cls == CLASS_RUN))
		return s->cls == CLASS_RUN && s->run != 0 &&
		       (uint64_t)granule + s->run <= (uint64_t)t->root.chunk_count * CHUNK_GRANULES;
	if (s->kind != GRANULE_SLAB || s->granules == 0 || at + s->granules > CHUNK_GRANULES ||
	    s->count == 0 || s->count > GRANULE_WORDS * 64 || s->size == 0 || s->cls == CLASS_RUN ||
	    s->avail > s->count || (uint64_t)s->size * s->count > (uint64_t)s->granules * GRANULE)
		return false;
	for (uint32_t i = 1; i < s->granules; i++)
		if (bit(c->free, at + i) || t->slabs[at + i].kind != GRANULE_REST ||
		    t->slabs[at + i].head != granule)
			return false;
	return count_objects(t, granule).known <= s->count;
}

/* A part of live or marks, whose pointers in the root count from address 0. */
static bool read_bits(struct outside *o, const _Atomic uint64_t *biased, uint32_t first,
    uint32_t count, uint64_t *bits)
{
	const uint64_t word =
	    (o->tables->root.base >> WORD_SHIFT) + (uint64_t)first * GRANULE_WORDS;

	return memory_read(&o->memory, (uintptr_t)biased + word * sizeof *bits,
	    bits + first % CHUNK_GRANULES * GRANULE_WORDS, count * GRANULE_WORDS * sizeof *bits);
}

/* The same of avail, which grows downwards. */
static bool read_avail(struct outside *o, uint32_t first, uint32_t count)
{
	struct outside_tables *const t = o->tables;
	const uint64_t words = (uint64_t)count * GRANULE_WORDS, *const falling = t->marks;
	const uint64_t last =
	    (t->root.base >> WORD_SHIFT) + (uint64_t)first * GRANULE_WORDS + words - 1;
	const uint64_t from = (uintptr_t)t->root.avail - last * sizeof *falling;

	if (!memory_read(&o->memory, from, t->marks, words * sizeof *falling))
		return false;
	for (uint64_t i = 0; i < words; i++)
		t->avail[first % CHUNK_GRANULES * GRANULE_WORDS + i] = falling[words - 1 - i];
	return true;
}

/* Records of slabs, which lie in falling order too. */
static bool read_slabs(struct outside *o, uint32_t first, uint32_t count, struct slab *s)
{
	const uint64_t last = (uint64_t)first + count - 1;

	if (!memory_read(&o->memory, (uintptr_t)o->tables->root.slabs - last * sizeof *s, s,
	        count * sizeof *s))
		return false;
	for (uint32_t i = 0; i < count / 2; i++) {
		const struct slab x = s[i];
		s[i] = s[count - 1 - i];
		s[count - 1 - i] = x;
	}
	return true;
}

/* Objects freed by other threads count as free. If no other thread freed into the slab, its page of
 * marks was never touched. */
static bool read_marks(struct outside *o, uint32_t first, uint32_t count)
{
	struct outside_tables *const t = o->tables;
	const size_t from = (size_t)(first % CHUNK_GRANULES) * GRANULE_WORDS;
	uint32_t tags[CHUNK_GRANULES], flagged = 0;

	if (!memory_read(&o->memory, (uintptr_t)(t->root.tags + first), tags, count * sizeof *tags))
		return false;
	for (uint32_t i = 0; i < count; i++)
		flagged |= tag_heap(tags[i]) != 0 && (tags[i] & TAG_REMOTE) != 0;
	if (flagged && !read_bits(o, t->root.marks, first, count, t->marks))
		return false;
	for (size_t w = from; flagged && w < from + (size_t)count * GRANULE_WORDS; w++)
		t->avail[w] |= t->marks[w];
	return true;
}

/* The records of a chunk that are in use, from the first such granule to the last; then the bits.
 * The bits of large objects were never touched, so they are not read either. */
static bool read_records(struct outside *o, uint32_t first, uint32_t count)
{
	struct outside_tables *const t = o->tables;
	struct slab *const s = &t->slabs[first % CHUNK_GRANULES];
	uint32_t from = 0, end = count;

	if (!read_slabs(o, first, count, s))
		return false;
	while (from < count && s[from].kind != GRANULE_SLAB)
		from++;
	while (end > from && s[end - 1].kind != GRANULE_SLAB && s[end - 1].kind != GRANULE_REST)
		end--;
	if (from == end)
		return true;
	return read_bits(o, t->root.live, first + from, end - from, t->live) &&
	       read_avail(o, first + from, end - from) &&
	       read_marks(o, first + from, end - from);
}

static struct outside_run slab_run(const struct outside_tables *t, uint32_t granule)
{
	const struct slab *const s = &t->slabs[granule % CHUNK_GRANULES];
	const struct object_counts n = count_objects(t, granule);
	const uint64_t len = (uint64_t)s->granules * GRANULE;
	const uint64_t given = (uint64_t)__builtin_popcount(s->purged) * PURGE_UNIT;

	return (struct outside_run){.granule = granule, .count = s->granules,
	    .kind = OUTSIDE_IS_SLAB, .cls = s->cls,
	    .listed = s->listed, .objects = s->count, .live = (uint16_t)n.live,
	    .remote = (uint16_t)n.remote,
	    .cached = (uint16_t)n.cached, .heap = s->heap,
	    .size = s->cls == CLASS_ZERO ? 0 : s->size, .step = s->size >> UNIT_SHIFT,
	    .purged = (uint32_t)(s->cls == CLASS_ZERO ? len : min_size(given, len))};
}

/* Hardened: guard granules before a large object, which its record counts
 * (slab/guard_large.h); 0: none. */
static uint32_t guards_before_run(const struct outside_tables *t, uint32_t at,
    const struct slab_chunk *c)
{
	enum { AT_MOST = 64 };

	for (uint32_t n = 1; n <= AT_MOST && at + n < CHUNK_GRANULES && !bit(c->free, at + n);
	     n++) {
		const struct slab *const s = &t->slabs[at + n];
		if (s->kind == GRANULE_RUN || s->kind == GRANULE_FREED)
			return s->cls == CLASS_RUN && s->count == n ? n : 0;
		if (s->kind == GRANULE_SLAB)
			return 0;
	}
	return 0;
}

/* Classify each granule of the chunk. False: the records contradict each other. */
static bool interpret(struct outside_tables *t, uint32_t chunk, uint32_t from,
    const struct slab_chunk *c)
{
	bool whole = true;
	uint32_t guards;

	t->found_count = 0;
	for (uint32_t at = from; at < CHUNK_GRANULES;) {
		const uint32_t granule = chunk * CHUNK_GRANULES + at;
		const struct slab *const s = &t->slabs[at];
		struct outside_run run = {.granule = granule, .count = 1, .kind = OUTSIDE_IS_TORN};
		if (granule == 0 || !is_mapped(c, at) ||
		    (s->kind == GRANULE_GUARD && !bit(c->free, at)))
			run.kind = OUTSIDE_IS_UNUSED;
		else if (bit(c->free, at))
			run.kind = bit(c->dirty, at) ? OUTSIDE_IS_DIRTY : OUTSIDE_IS_UNUSED;
		else if (fits(t, granule, c) && s->kind == GRANULE_SLAB)
			run = slab_run(t, granule);
		else if (fits(t, granule, c))
			run.kind = s->kind == GRANULE_RUN ? OUTSIDE_IS_LARGE : OUTSIDE_IS_UNUSED,
			run.count = s->run;
		else if ((guards = guards_before_run(t, at, c)) != 0)
			run.kind = OUTSIDE_IS_UNUSED, run.count = guards;
		whole &= run.kind != OUTSIDE_IS_TORN;
		t->found[t->found_count++] = run;
		at += run.count;
	}
	return whole;
}

/* Granules in use: the lowest, and how many up to the highest. */
static uint32_t used_range(const struct slab_chunk *c, uint32_t from, uint32_t *count)
{
	uint32_t first = from, end = CHUNK_GRANULES;

	while (first < CHUNK_GRANULES && (bit(c->free, first) || !is_mapped(c, first)))
		first++;
	while (end > first && (bit(c->free, end - 1) || !is_mapped(c, end - 1)))
		end--;
	*count = end - first;
	return first;
}

static void keep_masks(struct outside_view *v, const struct outside_tables *t,
    struct outside_run *run)
{
	const uint64_t *const live = bits_of(t->live, run->granule);
	const uint64_t *const avail = bits_of(t->avail, run->granule);
	const size_t words = (size_t)run->count * GRANULE_WORDS;

	ARRAY_GROW(v->masks, v->mask_cap, v->mask_count + 2 * words);
	run->mask = v->mask_count;
	run->mask_words = (uint32_t)words;
	for (size_t w = 0; w < words; w++) {
		v->masks[run->mask + w] = live[w] & ~avail[w];
		v->masks[run->mask + words + w] = avail[w];
	}
	v->mask_count += 2 * words;
}

/* Returns the granule where the next chunk's reading begins: a large object may reach far. */
static uint64_t keep_chunk(struct outside_view *v, struct outside_tables *t, uint64_t next)
{
	for (size_t i = 0; i < t->found_count; i++) {
		struct outside_run *const run = &t->found[i];
		if (run->kind == OUTSIDE_IS_SLAB)
			keep_masks(v, t, run);
		v->torn_slabs += run->kind == OUTSIDE_IS_TORN;
		outside_add_run(v, run);
		next = (uint64_t)run->granule + run->count;
	}
	return next;
}

static void forget_records(struct outside_tables *t)
{
	memset(t->slabs, 0, sizeof t->slabs);
	memset(t->live, 0, sizeof t->live);
	memset(t->avail, 0, sizeof t->avail);
}

static uint64_t read_chunk(struct outside *o, struct outside_view *v, uint32_t chunk,
    uint64_t begin)
{
	struct outside_tables *const t = o->tables;
	struct slab_chunk *const c = &t->chunks[chunk], after;
	const uint32_t from = (uint32_t)(begin - (uint64_t)chunk * CHUNK_GRANULES);
	const uint64_t where = t->blocks[chunk / BLOCK_CHUNKS] + chunk % BLOCK_CHUNKS * sizeof *c;
	uint32_t count;

	for (int n = 0; n < AGAIN; n++) {
		const uint32_t first = used_range(c, from, &count);
		forget_records(t);
		t->busy_chunks += n == 0 && count != 0;
		if (count != 0 && !read_records(o, chunk * CHUNK_GRANULES + first, count))
			forget_records(t);
		const bool whole = interpret(t, chunk, from, c);
		if (count == 0 || !memory_read(&o->memory, where, &after, sizeof after))
			break;
		const bool same = memcmp(after.free, c->free, sizeof after.free) == 0 &&
		                  memcmp(after.dirty, c->dirty, sizeof after.dirty) == 0;
		if (whole && same)
			break;
		if (!o->memory.live)
			break; /* it will never be otherwise */
		v->again += n == 0;
		*c = after;
	}
	return keep_chunk(v, t, begin);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool read_blocks(struct outside *o, uint32_t chunks)
{
	struct outside_tables *const t = o->tables;
	const uint32_t count = (chunks + BLOCK_CHUNKS - 1) / BLOCK_CHUNKS;

	if (!memory_read(&o->memory, (uintptr_t)t->root.blocks, t->blocks,
	        count * sizeof *t->blocks))
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!memory_read(&o->memory, t->blocks[i] + offsetof(struct chunk_block, chunk),
		        t->chunks + (size_t)i * BLOCK_CHUNKS,
		        sizeof(struct slab_chunk[BLOCK_CHUNKS])))
			return false;
	return true;
}

static bool read_chunks(struct outside *o, struct outside_view *v)
{
	struct outside_tables *const t = o->tables;
	const uint32_t count = t->root.chunk_count;
	uint64_t next = 0;

	ARRAY_GROW(t->chunks, t->chunk_cap, round_up(count, BLOCK_CHUNKS));
	if (!read_blocks(o, count))
		return false;
	t->busy_chunks = 0;
	for (uint32_t chunk = 0; chunk < count; chunk++)
		if (next < (uint64_t)(chunk + 1) * CHUNK_GRANULES)
			next = read_chunk(o, v, chunk,
			    max_size(next, (uint64_t)chunk * CHUNK_GRANULES));
	/* A large object that was torn may claim more than there is. */
	v->granules = (uint64_t)count * CHUNK_GRANULES;
	return next == v->granules || count == 0;
}

static uint64_t magazines_of(const struct slab_heap *h)
{
	uint64_t bytes = 0;

	for (unsigned cls = 0; cls < CLASS_MAX; cls++)
		bytes += (h->room[cls] > 0 ? MAGAZINE_SMALL_BYTES : 0u) +
		         (h->room[cls] > MAGAZINE_SMALL_OBJECTS ? MAGAZINE_BYTES : 0u) +
		         (h->room[cls] > MAGAZINE_LARGE_OBJECTS ? MAGAZINE_WIDE_BYTES : 0u);
	return bytes;
}

/* A heap that cannot be read counts as one without a thread. */
static void read_heaps(struct outside *o, struct outside_view *v)
{
	const struct slab_root *const r = &o->tables->root;
	uint64_t *const at = calloc(r->heap_count + 1, sizeof *at);

	CHECK(at != NULL);
	o->tables->magazines = 0;
	if (!memory_read(&o->memory, (uintptr_t)r->heaps, at, r->heap_count * sizeof *at))
		memset(at, 0, r->heap_count * sizeof *at);
	for (uint32_t i = HEAP_FALLBACK; i < r->heap_count; i++) {
		struct slab_heap heap = {0};
		struct outside_heap *const h = outside_add_heap(v);
		if (!memory_read(&o->memory, at[i], &heap, sizeof heap))
			memset(&heap, 0, sizeof heap);
		h->number = i;
		h->pointer = heap.thread;
		h->kind = i == HEAP_FALLBACK       ? OUTSIDE_LATE
		          : heap.owner == NULL ? OUTSIDE_IDLE
		                               : OUTSIDE_THREAD;
		o->tables->magazines += magazines_of(&heap);
	}
	free(at);
}

/* Pages of the records and bits in use, and magazines. */
static uint64_t table_bytes(const struct outside_tables *t, const struct outside_view *v)
{
	enum { PAGE = 4096, GRANULES = PAGE / (GRANULE_WORDS * 8) }; /* whose bits are in a page */
	uint64_t bits = 0, last = UINT64_MAX;

	for (size_t i = 0; i < v->run_count; i++) {
		const struct outside_run *const run = &v->runs[i];
		const uint64_t page = (run->granule + run->count - 1) / GRANULES;
		if (run->kind != OUTSIDE_IS_SLAB || page == last)
			continue;
		const uint64_t first = run->granule / GRANULES;
		bits += 2 * (page - (last != UINT64_MAX ? max_size(last + 1, first) : first) + 1);
		last = page;
	}
	return round_up(t->root.chunk_count * sizeof(struct slab_chunk), PAGE) +
	       round_up(t->root.heap_count * sizeof(struct slab_heap), PAGE) + bits * PAGE +
	       t->busy_chunks * CHUNK_GRANULES * (sizeof(struct slab) + sizeof *t->root.tags) +
	       t->magazines;
}

size_t outside_table_ranges(struct outside *o, struct outside_range *ranges, size_t most)
{
	const struct slab_root *const r = &o->tables->root;
	size_t n = 0;

	for (int i = 0; i < TABLES; i++) {
		const bool down = i == TABLE_AVAIL || i == TABLE_SLABS;
		const uint64_t start = r->table[i].start - (down ? r->table[i].mapped : 0);
		ranges[n++] = (struct outside_range){start, start + r->table[i].mapped};
	}
	struct pool_segment segment;
	for (uint64_t at = (uintptr_t)r->segments; at != 0 && n < most;
	     at = (uintptr_t)segment.next) {
		if (!memory_read(&o->memory, at, &segment, sizeof segment))
			break;
		ranges[n++] = (struct outside_range){at, at + segment.len};
	}
	return n;
}

size_t outside_mapped_ranges(struct outside *o, struct outside_range *ranges, size_t most)
{
	const struct slab_root *const r = &o->tables->root;
	struct mapped_object object;
	size_t n = 0;

	for (uint64_t i = 0; i < r->mapped_count && n < most; i++)
		if (memory_read(&o->memory, (uintptr_t)r->mapped + i * sizeof object, &object,
		        sizeof object))
			ranges[n++] =
			    (struct outside_range){object.start, object.start + object.len};
	return n;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a < b ? b - a : a - b;
}

bool outside_read_slab(struct outside *o, struct outside_view *v, struct memory_error *e)
{
	if (o->tables == NULL)
		o->tables = calloc(1, sizeof *o->tables);
	CHECK(o->tables != NULL);
	struct outside_tables *const t = o->tables;
	struct slab_root *const r = &t->root;

	if (outside_root_at(&o->memory, o->root, e) < 0)
		return false;
	memory_read(&o->memory, o->root, r, sizeof *r);
	v->version = r->version;
	v->root = o->root;
	v->base = r->base;
	v->granule = GRANULE;
	read_heaps(o, v);
	if (!read_chunks(o, v))
		return memory_refuse(e, "%s: slab's records cannot be read%s", o->memory.title,
		    o->memory.live ? ": the process has ended, or overwrote them"
		                   : ": the core was cut short");
	v->bytes[OUTSIDE_TABLES] = table_bytes(t, v);
	v->mapped_objects = r->mapped_count, v->mapped_bytes = r->mapped_bytes;
	const struct slab_root before = *r;
	if (memory_read(&o->memory, o->root, r, sizeof *r))
		v->moved =
		    (distance(before.used, r->used) + distance(before.dirty, r->dirty)) * GRANULE;
	return true;
}

void outside_tables_drop(struct outside *o)
{
	if (o->tables != NULL)
		free(o->tables->chunks);
	free(o->tables);
	o->tables = NULL;
}
