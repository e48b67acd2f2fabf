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
	       r->chunk_bytes == sizeof(struct chunk) && r->heap_bytes == sizeof(struct heap) &&
	       r->granule == GRANULE && r->chunk_granules == CHUNK_GRANULES;
}

/* All that the root points to lies in its reservation. */
static bool plausible(const struct slab_root *r)
{
	const uintptr_t from = (uintptr_t)r->reservation, end = from + r->reservation_len;
	const uintptr_t bits = (r->base >> WORD_SHIFT) * sizeof(uint64_t);
	const uintptr_t tables[] = {(uintptr_t)r->chunks, (uintptr_t)r->bins, (uintptr_t)r->heaps,
	    (uintptr_t)r->stacks, (uintptr_t)r->slabs, (uintptr_t)r->tags, (uintptr_t)r->live + bits,
	    (uintptr_t)r->avail + bits, r->base};

	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		if (tables[i] < from || tables[i] >= end)
			return false;
	return r->base % HUGE_PAGE_SIZE == 0 && r->units <= (end - r->base) >> UNIT_SHIFT &&
	       r->chunk_count <= r->chunk_limit && r->chunk_limit <= CHUNKS_MAX && r->heap_count <= HEAPS_MAX;
}

int outside_root_at(struct memory *m, uint64_t addr, struct memory_error *e)
{
	struct slab_root r;

	if (!read_root(m, addr, &r)) {
		memory_refuse(e, "%s: slab's root at 0x%zx cannot be read: cut short, or not dumped", m->title,
		    (size_t)addr);
		return -1;
	}
	if (r.version == 0 && r.units == 0) {
		memory_refuse(e, "%s has slab loaded, but has not allocated anything from it", m->title);
		return -1;
	}
	if (!same_layout(&r)) {
		memory_refuse(e, "%s runs another version of slab: its records are version %u (%u, %u and %u "
		                 "bytes), this dmm reads version %u (%zu, %zu and %zu bytes); use the dmm that "
		                 "came with that library", m->title, r.version, r.slab_bytes,
		    r.chunk_bytes, r.heap_bytes, ROOT_VERSION, sizeof(struct slab), sizeof(struct chunk),
		    sizeof(struct heap));
		return -1;
	}
	if (!plausible(&r)) {
		memory_refuse(e, "%s: slab's root at 0x%zx is damaged: the program overwrote it, or the core is "
		                 "corrupt", m->title, (size_t)addr);
		return -1;
	}
	return 1;
}

struct outside_mark outside_root_mark(void)
{
	const uint32_t words[] = {ROOT_VERSION, sizeof(struct slab), sizeof(struct chunk), sizeof(struct heap),
	    GRANULE, CHUNK_GRANULES};
	struct outside_mark mark = {.len = sizeof words, .offset = offsetof(struct slab_root, version),
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
