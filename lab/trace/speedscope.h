/* speedscope.h - call stacks with weights as a file for speedscope (J. Wong; speedscope.app):
 * one "sampled" profile for each kind of weight, over a shared table of frames. */
#ifndef LAB_TRACE_SPEEDSCOPE_H
#define LAB_TRACE_SPEEDSCOPE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SPEEDSCOPE_KINDS = 8 };

struct speedscope;

/* names: of the kinds of weight, all in bytes; at most SPEEDSCOPE_KINDS.  NULL: no memory. */
struct speedscope *speedscope_open(const char *const *names, size_t kinds);
/* A stack of `depth` names, innermost first, and its weight of each kind.  A name may end in
 * " (FILE:LINE)". */
void speedscope_sample(struct speedscope *s, const char *const *frames, size_t depth,
    const uint64_t *weight);
/* Writes all of it, and frees it.  title: what the file is about. */
void speedscope_close(struct speedscope *s, FILE *out, const char *title);

#endif
