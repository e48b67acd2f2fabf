/* mapping.h - chunks with a mapping of their own: all of vm's, the large ones of gnu.
 *
 *          +---------------+---------------+
 *  page -> | next          | prev          |  all mappings of a heap, for walk and close
 *          | size          | size      M L |  bytes mapped, twice: in front of the payload as in
 *  mem --> +---------------+---------------+  every chunk of the heap section (chunk.h)
 *          | payload ...                   |
 *          +-------------------------------+  whole pages
 *
 * The kernel bounds the mappings of a process (vm.max_map_count, 65,530 unless set), and joins
 * those that touch: it is the holes between them that count.  At the bound munmap fails where it
 * would cut one in two, and then mmap and mprotect fail for everybody: node's compiler ends the
 * program.  So while more than MAPPINGS_MANY live, what is freed makes no hole but is kept,
 * emptied, and taken again first; likewise what munmap refuses.  Below half of that the kept ones
 * are unmapped, and before a mapping is refused, as many as make room for it.
 *
 * Invariants, checked under these names by mappings_check():
 *   V1 aligned   a mapping begins on a page and has whole pages
 *   V2 linked    every mapping is the prev of its next
 *   V3 summed    the sizes of all, kept or in use, add up to `bytes`
 *   V4 mirrored  the size in front of the payload is the size
 */
#ifndef SYSTEM_MAPPING_H
#define SYSTEM_MAPPING_H

#include "base/bits.h"
#include "base/list.h"
#include "system/piece.h"

struct mapping {
	struct list link;
	size_t size; /* bytes mapped, header included */
	size_t head; /* size | CHUNK_M, | CHUNK_L while in use */
};

enum {
	MAPPINGS_KEPT_BY_PAGES = 64,
	MAPPINGS_GONE = 64,
	MAPPINGS_MANY = 48 << 10, /* three quarters of the kernel's bound: the rest is for others */
};

struct mappings {
	const struct dmm_os *os;
	struct list live;
	struct list kept[MAPPINGS_KEPT_BY_PAGES]; /* [i]: of i pages; [0]: of more */
	size_t live_count, kept_count;
	size_t bytes; /* mapped, live and kept */
	/* The last that were unmapped, so that a second free can be named; .at == NULL: none. */
	struct mapping_gone {
		const struct mapping *at;
		size_t size;
	} gone[MAPPINGS_GONE];
	size_t gone_next;
};

void mappings_open(struct mappings *ms, const struct dmm_os *os);
void mappings_close(struct mappings *ms);

static inline void *mapping_payload(const struct mapping *m)
{
	return (void *)(m + 1);
}

static inline struct mapping *mapping_of(const void *p)
{
	return ptr_sub(p, sizeof(struct mapping)); /* p may be anything */
}

static inline size_t mapping_usable(const struct mapping *m)
{
	return m->size - sizeof *m;
}

/* Ends the program unless p is the payload of a live mapping: a pointer that lies elsewhere in its
 * page, one of the last MAPPINGS_GONE that were freed, or a header that says otherwise.  What is
 * not mapped at all, and longer gone, is a segmentation fault. */
struct mapping *mapping_to_free(const struct mappings *ms, const void *p);

/* n bytes of payload, n <= DMM_SIZE_MAX.  NULL: no memory. */
struct mapping *mapping_new(struct mappings *ms, size_t n);

void mapping_delete(struct mappings *ms, struct mapping *m);

/* Make room for n bytes, moving the pages if need be; NULL: no memory, m is as it was. */
struct mapping *mapping_resize(struct mappings *ms, struct mapping *m, size_t n);

/* Try again to unmap what is kept; bytes given back. */
size_t mappings_trim(struct mappings *ms);

/* Those with addresses in [from, to), in order of address. */
int mappings_walk(struct mappings *ms, uintptr_t from, uintptr_t to, dmm_visit *visit, void *arg);
bool mappings_check(const struct mappings *ms, struct dmm_fault *why);

#endif
