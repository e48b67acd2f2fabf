/* soak.h - a load that changes its shape for hours, and how much the process grew.
 *
 *   cycle    | spell | spell | ... | churn of threads | rest |    the same row again and again
 *   sample                                                 ^      RSS, mappings, live bytes
 *
 * A spell is one mix of sizes and lifetimes.  In the rest every thread gives all back but its
 * plateau, whose members were chosen by chance among what the spells left: so fragmentation may
 * build up.
 */
#ifndef TEST_SOAK_SOAK_H
#define TEST_SOAK_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SOAK_THREADS_MAX = 256 };

enum spell {
	SPELL_TINY,
	SPELL_SMALL,
	SPELL_MIXED,
	SPELL_LARGE,
	SPELL_GROW,     /* reallocs */
	SPELL_HAND,     /* objects change threads before they are freed */
	SPELL_THREADS,  /* threads end, and others inherit their objects */
	SPELL_REST,
	SPELLS,
};

struct soak {
	/* load: percent of one CPU for all together; 0: as fast as it goes */
	unsigned threads, load;
	double seconds, spell_s;
	size_t plateau;         /* bytes that each thread keeps in the rest */
	uint64_t seed;
	_Atomic unsigned spell;
	atomic_bool stop;
	atomic_bool lost;       /* a thread found other bytes than it wrote */
	_Atomic uint64_t ops, threads_started, forks;
	_Atomic size_t live;    /* bytes asked for, by all */
};
extern struct soak soak;

/* The load (soak_load.c). */
bool soak_begin(void);
void soak_end(void);
/* In a child made by fork: allocate, check, free; false: something is wrong. */
bool soak_child(void);

/* The figures (soak_sample.c). */
struct sample {
	double hours;
	size_t rss, live; /* bytes */
	size_t maps;      /* mappings */
};
struct sample sample_take(double seconds);
/* Least squares over samples from `after` hours on: percent of the mean that it grows an hour. */
double slope_percent(const struct sample *s, size_t count, double after,
    double (*what)(const struct sample *));
double sample_rss(const struct sample *s);
double sample_maps(const struct sample *s);
double sample_live(const struct sample *s);

#endif
