/* narrate.h - what one malloc or free did to a heap, in the lecture's words.
 *
 * Told from the pictures before and after the call alone, so that it holds for every system and
 * cannot claim what did not happen.
 */
#ifndef LAB_DRAW_NARRATE_H
#define LAB_DRAW_NARRATE_H

#include "draw/draw.h"

struct tell_call {
	bool is_malloc;
	const char *name; /* of the variable */
	size_t n;         /* bytes asked, of malloc */
	const void *p;
	bool mapped;      /* p lies outside the heap section */
};

/* Facts.  Sizes in bytes. */
struct tell {
	struct tell_call call;
	const struct picture_chunk *used;  /* malloc: the chunk now; free: the chunk as it was */
	const struct picture_chunk *found; /* malloc: the free chunk that it came from, before */
	const struct picture_chunk *freed; /* free: the free chunk now, NULL if it did nothing */
	size_t grew, shrank;               /* of what is owned */
	size_t searched;                   /* chunks looked at in the list; 0: unknown */
	/* the proper one, where the search began; 0: not known */
	int32_t first_bin;
	size_t waste;                      /* usable beyond what was asked */
	/* payload that was free before, together and in one piece */
	size_t free_bytes, free_largest;
	unsigned merged;                   /* free chunks that became one; at most 1: none */
	bool split, tail_end;              /* malloc: cut from a larger chunk; from its tail */
	bool merged_growth;                /* malloc: new memory joined the free chunk before it */
	bool merged_next, merged_prev;     /* free */
	bool unmapped;                     /* free: its addresses are gone */
	bool hole;                         /* free: a free chunk now lies between live ones */
	bool reused;                       /* malloc: memory that was freed before */
};

struct tell tell_compare(const struct tell_call *call, const struct picture *before,
    const struct picture *after);

/* The lecture's captions for it ("External fragmentation!"), one a line; often none. */
void tell_captions(FILE *out, const struct draw_style *s, const struct tell *t);

/* The steps, one sentence a line, indented. */
void tell_steps(FILE *out, const struct draw_style *s, const struct dmm_system *sys,
    const struct tell *t);

#endif
