/* slab.h - one slab: objects of one class, and which of them are free.
 *
 *   payload   | 0 | 1 | 2 | 3 | ...                  | count-1 |tail|     granules * 16 KiB
 *   free[]      0   1   1   0   ...                      1                written by the owner alone
 *   remote[]    1   0   0   0   ...                      0                set by others, atomically
 *
 * An object is live iff both bits are 0.  Only its owner takes objects (clears bits of free); the owner
 * frees by setting a bit of free, everybody else by an atomic or into remote, which the owner collects.
 *
 * Invariants, checked by slab_check() while nothing else runs:
 *   S1 exclusive   free & remote == 0
 *   S2 range       no bit beyond count is set
 *   S3 head        GRANULE_REST leads to a GRANULE_SLAB that covers it
 *   S4 countdown   a slab that is not current: countdown <= live objects (0 only while empty or flagged)
 *   S5 listed      state is SLAB_PARTIAL iff the slab is in its heap's list of its class
 */
#ifndef SLAB_SLAB_H
#define SLAB_SLAB_H

#include "base/bits.h"
#include "slab/root.h"

/* A new slab, all free, owned by nobody yet; NULL: no memory. */
struct slab *slab_open(unsigned cls);
/* All objects are free, owner is OWNER_NONE already: the granules go back. */
void slab_close(struct slab *s);

/* Move what others freed from remote to free; the caller may write free.  A bit in both is a double
 * free.  Returns how many. */
unsigned slab_collect(struct slab *s);

unsigned slab_count_free(const struct slab *s);              /* own and remote */

static inline unsigned bit_of(unsigned index)
{
	return index % 64;
}

/* Set bit index % 64; true: it was set already.  One instruction where there is one. */
static inline bool bit_set(uint64_t *word, size_t index)
{
	const uint64_t old = *word;
	*word |= 1ull << bit_of((unsigned)index);
	return *word == old;
}

static inline uint64_t free_word(const struct slab *s, size_t word)
{
	return atomic_load_explicit(&s->free[word], memory_order_relaxed);
}

static inline void free_word_set(struct slab *s, size_t word, uint64_t to)
{
	atomic_store_explicit(&s->free[word], to, memory_order_relaxed);
}

static inline _Atomic uint64_t *remote_words(const struct slab *s)
{
	return root.remote[granule_of(s)];
}

static inline enum granule_kind kind_of(const struct slab *s)
{
	return atomic_load_explicit(&s->kind, memory_order_relaxed);
}

static inline uintptr_t owner_of(const struct slab *s)
{
	return atomic_load_explicit(&s->owner, memory_order_relaxed);
}

/* What the program may use of an object. */
static inline size_t slab_usable_size(const struct slab *s)
{
	return s->cls == CLASS_ZERO ? 0 : s->size;
}

static inline struct heap *heap_of(const struct slab *s)
{
	return &root.heaps[s->heap];
}

static inline bool object_free(const struct slab *s, unsigned index)
{
	const uint64_t word = free_word(s, index / 64) |
	    atomic_load_explicit(&remote_words(s)[index / 64], memory_order_relaxed);
	return word >> bit_of(index) & 1;
}

/* Which object of which slab, or which run, begins at p? */
struct place {
	struct slab *slab; /* NULL: none of ours, or not the start of anything */
	unsigned index;
	size_t   size; /* usable bytes; when slab == NULL, of what lies or lay there, or 0 */
	bool     freed; /* when slab == NULL: p is the start of something that was freed */
};
struct place place_of(const void *p);

/* End the program: "dmm: double free: 0x... (48 bytes)". */
_Noreturn void slab_misuse(const char *what, const void *p, size_t size);
/* The same for a pointer that place_of() did not accept, or whose object is free. */
_Noreturn void slab_bad_pointer(const char *call, const void *p);

bool slab_check(struct slab *s, struct dmm_fault *why);

#endif
