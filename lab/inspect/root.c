/* root.c - is this slab's root, of our version, and whole? */
#include <string.h>

#include "inspect/inspect.h"
#include "slab/root.h"

extern struct slab_root dmm_slab_root; /* our own: the one in this process */

static bool read_root(struct memory *m, uint64_t addr, struct slab_root *r)
{
	return memory_read(m, addr, r, sizeof *r);
}

static bool same_layout(const struct slab_root *r)
{
	return r->version == ROOT_VERSION && r->slab_bytes == sizeof(struct slab) &&
	       r->chunk_bytes == sizeof(struct slab_chunk) &&
	       r->heap_bytes == sizeof(struct slab_heap) && r->granule == GRANULE &&
	       r->chunk_granules == CHUNK_GRANULES;
}

static bool within(uint64_t at, uint64_t from, uint64_t len)
{
	return at - from < len;
}

/* The tables lie in the root's window, begin at the record of granule 0, and are as long as the
 * number of chunks needs. */
static bool plausible(const struct slab_root *r)
{
	const uint64_t granules = (uint64_t)r->chunk_count * CHUNK_GRANULES,
	               word = r->base >> WORD_SHIFT;
	const uint64_t bits = granules * GRANULE_WORDS * sizeof(uint64_t);
	const struct {
		uint64_t start, len;
	} wanted[] = {[TABLE_AVAIL] = {(uintptr_t)r->avail + (1 - word) * sizeof(uint64_t), bits},
	    [TABLE_LIVE] = {(uintptr_t)r->live + word * sizeof(uint64_t), bits},
	    [TABLE_MARKS] = {(uintptr_t)r->marks + word * sizeof(uint64_t), bits},
	    [TABLE_SLABS] = {(uintptr_t)r->slabs + sizeof(struct slab),
	        granules * sizeof(struct slab)},
	    [TABLE_TAGS] = {(uintptr_t)r->tags, granules * sizeof *r->tags},
	    [TABLE_POOL] = {r->table[TABLE_POOL].start, 0}};

	for (int i = 0; i < TABLES; i++)
		if (!within(r->table[i].start, r->window, r->window_len) ||
		    r->table[i].start != wanted[i].start || r->table[i].mapped < wanted[i].len)
			return false;
	return within(r->base, r->window, r->window_len) && r->base % HUGE_PAGE_SIZE == 0 &&
	       r->blocks != NULL && r->heaps != NULL &&
	       r->units == r->chunk_count * (HUGE_PAGE_SIZE >> UNIT_SHIFT) &&
	       r->chunk_count <= r->chunk_limit && r->chunk_limit <= CHUNKS_MAX &&
	       r->heap_count <= HEAPS_MAX;
}

int outside_root_at(struct memory *m, uint64_t addr, struct memory_error *e)
{
	struct slab_root r;

	if (!read_root(m, addr, &r)) {
		memory_refuse(e,
		    "%s: slab's root at 0x%zx cannot be read: cut short, or not dumped", m->title,
		    (size_t)addr);
		return -1;
	}
	if (r.version == 0 && r.units == 0) {
		memory_refuse(e, "%s has slab loaded, but has not allocated anything from it",
		    m->title);
		return -1;
	}
	if (!same_layout(&r)) {
		memory_refuse(e,
		    "%s runs another version of slab: its records are version %u (%u, %u and %u "
		    "bytes), this dmm reads version %u (%zu, %zu and %zu bytes); use the dmm that "
		    "came with that library",
		    m->title, r.version, r.slab_bytes, r.chunk_bytes, r.heap_bytes, ROOT_VERSION,
		    sizeof(struct slab), sizeof(struct slab_chunk), sizeof(struct slab_heap));
		return -1;
	}
	if (!plausible(&r)) {
		memory_refuse(e,
		    "%s: slab's root at 0x%zx is damaged: the program overwrote it, or the core is "
		    "corrupt",
		    m->title, (size_t)addr);
		return -1;
	}
	return 1;
}

struct outside_mark outside_root_mark(void)
{
	const uint32_t words[] = {ROOT_VERSION, sizeof(struct slab), sizeof(struct slab_chunk),
	    sizeof(struct slab_heap), GRANULE, CHUNK_GRANULES};
	struct outside_mark mark = {.len = sizeof words,
	    .offset = offsetof(struct slab_root, version),
	    .step = _Alignof(struct slab_root)};

	memcpy(mark.bytes, words, sizeof words);
	return mark;
}

bool outside_open_self(struct outside *o)
{
	*o = (struct outside){.root = (uint64_t)(uintptr_t)&dmm_slab_root, .pagemap = -1};
	memory_open_self(&o->memory);
	return dmm_slab_root.base != 0;
}
