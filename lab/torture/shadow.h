/* shadow.h - the heap as the program must see it, kept outside of the heap and compared with it.
 *
 * Every operation goes to the heap and to the shadow; the shadow lives in a mapping of its own.
 * Rules, named in `why` when one is broken:
 *   S1 aligned    the address has the alignment asked for (16 at least)
 *   S2 disjoint   no two live objects share a byte
 *   S3 contents   a live object holds what was written into it, all usable bytes of it
 *   S4 zeroed     calloc gives zeros
 *   S5 errno      NULL comes with ENOMEM and changes nothing; free keeps errno
 *   S6 usable     usable >= what was asked, and it never changes behind the program's back
 *   S7 partition  pieces come in address order, and their lengths sum to the bytes obtained
 *   S8 live       each live object lies in one LIVE piece of its own, and nothing else is LIVE
 *   S9 strangers  bytes at the break that belong to somebody else stay as they are
 *   S10 memory    a request below 1 GiB is refused only if the operating system refused one
 *   S11 reuse     freed memory is given out again: the heap does not outgrow what was live
 * Whatever the system's own checker finds has the system's names.
 *
 * Not thread-safe; threads have a shadow each.
 */
#ifndef LAB_TORTURE_SHADOW_H
#define LAB_TORTURE_SHADOW_H

#include "os/os.h"
#include "system/heap.h"
#include "torture/script.h"

struct shadow_object {
	char *p;
	size_t n;      /* asked for */
	size_t usable; /* given, and written to */
	uint32_t tag;  /* of the pattern inside */
	uint32_t align;
	uint32_t name; /* the same from malloc to free, also across realloc */
};

struct shadow {
	struct heap *heap;
	struct shadow_object *objects; /* live, by address */
	size_t count, cap;
	uint32_t tag;     /* the last one used */
	size_t payload;   /* bytes asked for by live objects */
	uint64_t refused; /* requests that were answered with NULL */
	size_t chunks;    /* FREE and LIVE pieces at the last walk */
	size_t most;      /* peak of payload, and a page for each object */
	const struct os_fault *os; /* reports whether the system refused; NULL: unknown */
	struct script *script;     /* the operations are written down there; NULL: nowhere */
	bool asked_only;           /* write no more than was asked for */
	uint64_t refusals;         /* of the system, when the last operation began */
	uint32_t names;            /* the last one given */
	char *last;                /* what the last operation gave; NULL: nothing */
	uint32_t victim, culprit;  /* names of objects that the broken rule is about; 0: none */
	struct dmm_fault why;
};

/* Room for `cap` live objects; false: no memory. */
bool shadow_open(struct shadow *s, struct heap *heap, size_t cap);
void shadow_close(struct shadow *s); /* forgets, without freeing */

/* One operation each.  True: nothing wrong (though it may have been refused). */
bool shadow_malloc(struct shadow *s, size_t n);
bool shadow_calloc(struct shadow *s, size_t count, size_t n);
bool shadow_aligned(struct shadow *s, size_t align, size_t n);
bool shadow_realloc(struct shadow *s, size_t i, size_t n); /* objects[i]; n > 0 */
bool shadow_free(struct shadow *s, size_t i);
bool shadow_free_all(struct shadow *s);

/* The index of the first object that begins at p or after it: it begins at p if objects[index]
 * does. */
size_t shadow_place(const struct shadow *s, const char *p);

/* Hand objects[i] over: out of this shadow, into that one. */
struct shadow_object shadow_take(struct shadow *s, size_t i);
bool shadow_put(struct shadow *s, struct shadow_object o);

/* The checker, and S7, S8 by a walk.  owned: bytes obtained from the os; SIZE_MAX: not known. */
bool shadow_check(struct shadow *s, size_t owned);
/* S3 of every live object. */
bool shadow_contents(struct shadow *s);

/* Write a pattern over usable bytes; the offset of the first byte below `limit` that is not as
 * shadow_paint() wrote it, or SIZE_MAX.  Of long objects, both ends and a part of up to 512
 * pages. */
void shadow_paint(const struct shadow_object *o);
size_t shadow_unlike(const struct shadow_object *o, const char *p, size_t limit);

#endif
