/* slab.h - one slab: objects of one class, and which of them are free.
 *
 *   payload   | 0 | 1 | 2 | 3 | ...                  | count-1 |tail|   granules * 16 KiB
 *   live        1   0   0   1   ...                      1    written by the owner alone
 *   avail       0   1   0   0   ...                      0    changed under the heap's lock
 *   marks       0   0   0   1   ...                      0    set by everybody, atomically
 *               |   |   |   \- another thread freed it; the owner has not collected it yet
 *               |   |   \----- free, in the owner's magazine of the class
 *               |   \--------- free, in no magazine
 *               \------------- live
 *
 * The bits stand where the object begins, one for every 16 bytes of payload; between them lie
 * zeros.  No other combination occurs in a program that frees each object once.  So each tells of a
 * double free, also where two threads freed at the same moment and neither saw the other:
 *
 *   marked, not live      the owner freed it as well, or somebody freed it after it was collected
 *   in avail, and live    the same object was in a magazine and in avail
 *
 * Whoever collects a mark, or takes an object out of avail or out of a magazine, looks for these.
 * A mark is looked for only where the granule's TAG_REMOTE is up, as it is when the free that set
 * the mark has returned.
 *
 * Invariants, checked by slab_check() while nothing else runs:
 *   S1 starts      live, avail and marks have bits only where an object begins
 *   S2 counted     avail == the bits in avail
 *   S3 head        GRANULE_REST leads to a GRANULE_SLAB that covers it
 *   S4 tagged      every granule of a slab has the tag of its heap and class
 *   S5 listed      listed iff the slab is in its heap's list of its class; never with avail == 0
 *   S6 cached      what is in a magazine is neither live nor avail, and of that heap and class
 *   S7 kept        root.kept is the sum of the granules of slabs that are LISTED_KEPT
 *   S8 once        what is in avail is not live; what is marked is live, and its granule and slab
 *                  are flagged
 */
#ifndef SLAB_SLAB_H
#define SLAB_SLAB_H

#include "base/bits.h"
#include "slab/root.h"

/* With guard_large, an overflow out of a slab meets an inaccessible granule within this many bytes,
 * unless slabs were opened in gaps. */
enum { SLABS_GUARDED = 1 << 20 };

/* A new slab for heap number `heap`, all objects in avail, not tagged yet; NULL: no memory. */
struct slab *slab_open(unsigned cls, unsigned heap);
/* All objects are in avail, and the tag of its first granule is 0 already: the granules go back.
 * False: the addresses of malloc(0) could not be made accessible again; nothing has changed. */
bool slab_close(struct slab *s);
/* From now on heap number `heap` owns the slab; the first granule's tag is set last, or by the
 * caller. */
void slab_tag(struct slab *s, unsigned heap);
void slab_tag_rest(struct slab *s, unsigned heap);

/* Take objects out of avail, the lowest address first, to out[-1], out[-2], ... down to stop;
 * returns where it ended. The caller owns the slab. Ends the program when one of them was freed
 * twice. */
void **slab_take(struct slab *s, void **out, void **stop);
/* Move objects that other threads freed, and marked, into avail. The caller owns the slab;
 * TAG_REMOTE is down, or no object of the slab is live. Ends the program if one of them was freed
 * twice. */
void slab_collect(struct slab *s);
/* All objects are in avail, and the tag of the first granule is TAG_CLOSED.  Ends the
 * program when one is marked. */
void slab_expect_no_marks(const struct slab *s);
unsigned slab_count_avail(const struct slab *s);
/* In avail, or marked. */
unsigned slab_count_free(const struct slab *s);
/* Are no objects live or in a magazine? Ends at the first KiB with such an object. */
bool slab_all_free(const struct slab *s);

/* ---- the bits of one address ----------------------------------------------------------------- */

static inline uint64_t bit_of(const void *p)
{
	return 1ull << ((uintptr_t)p >> UNIT_SHIFT) % 64;
}

static inline _Atomic uint64_t *live_word_at(const void *p)
{
	return &root.live[(uintptr_t)p >> WORD_SHIFT];
}

static inline uint64_t live_word(const void *p)
{
	return atomic_load_explicit(live_word_at(p), memory_order_relaxed);
}

static inline void live_word_set(const void *p, uint64_t to)
{
	atomic_store_explicit(live_word_at(p), to, memory_order_relaxed);
}

static inline void live_set(const void *p)
{
	live_word_set(p, live_word(p) | bit_of(p));
}

static inline _Atomic uint64_t *avail_word(const void *p)
{
	return root.avail - ((uintptr_t)p >> WORD_SHIFT);
}

/* The caller holds the lock of the slab's heap, or only needs an estimate. */
static inline uint64_t avail_bits(const void *p)
{
	return atomic_load_explicit(avail_word(p), memory_order_relaxed);
}

static inline void avail_set(const void *p, uint64_t to)
{
	atomic_store_explicit(avail_word(p), to, memory_order_relaxed);
}

static inline _Atomic uint64_t *mark_word(const void *p)
{
	return &root.marks[(uintptr_t)p >> WORD_SHIFT];
}

static inline uint32_t tag_at(size_t granule)
{
	return atomic_load_explicit(&root.tags[granule], memory_order_relaxed);
}

/* Of the granule in which p lies. */
static inline uint32_t tag_around(const void *p)
{
	return atomic_load_explicit(&root.tags_by_address[(uintptr_t)p >> GRANULE_SHIFT],
	    memory_order_acquire);
}

/* The marks of the word of p. If no other thread freed into the slab, they are not read, so that
 * their memory stays untouched. */
static inline uint64_t mark_bits(const void *p)
{
	return (tag_around(p) & TAG_REMOTE) != 0
	           ? atomic_load_explicit(mark_word(p), memory_order_acquire)
	           : 0;
}

/* Of the word of p, the objects that are free and in no magazine, or freed by other threads. */
static inline uint64_t free_word(const void *p)
{
	return avail_bits(p) | mark_bits(p);
}

/* p is the start of an object of a slab, or was. */
static inline bool object_live(const void *p)
{
	return (live_word(p) & ~mark_bits(p) & bit_of(p)) != 0;
}

/* ---- slabs ----------------------------------------------------------------------------------- */

static inline enum granule_kind kind_of(const struct slab *s)
{
	return atomic_load_explicit(&s->kind, memory_order_relaxed);
}

static inline char *slab_start(const struct slab *s)
{
	return granule_address(granule_of(s));
}

/* The bytes of an object that the program may use. */
static inline size_t class_usable(unsigned cls)
{
	return cls == CLASS_ZERO ? 0 : size_class[cls].size;
}

static inline size_t slab_usable_size(const struct slab *s)
{
	return class_usable(s->cls);
}

static inline struct slab_heap *heap_of(const struct slab *s)
{
	return heap_at(s->heap);
}

/* The slab that covers a granule. */
static inline struct slab *slab_covering(size_t granule)
{
	struct slab *const s = slab_at(granule);
	return kind_of(s) == GRANULE_REST ? slab_at(s->head) : s;
}

bool slab_check(struct slab *s, struct dmm_fault *why);

#endif
