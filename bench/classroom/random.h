/* random.h - the same numbers in every run, on every machine (SplitMix64, Steele et al., 2014). */
#ifndef CLASSROOM_RANDOM_H
#define CLASSROOM_RANDOM_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 0 to n - 1. */
static inline size_t random_below(uint64_t *state, size_t n)
{
	return (size_t)(random_next(state) % n);
}

/* These programs exist to be recorded: without memory there is nothing to record. */
static inline void *need(void *p)
{
	if (p == NULL) {
		fputs("no memory\n", stderr);
		exit(1);
	}
	return p;
}

/* The one argument, a number; `usual` if there is none, or it is no number. */
static inline size_t number_or(int argc, char **argv, size_t usual)
{
	const size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	return n != 0 ? n : usual;
}

#endif
