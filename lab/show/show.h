/* show.h - a heap that can be shown after any of its calls: a demo's, or a recording's. */
#ifndef LAB_SHOW_SHOW_H
#define LAB_SHOW_SHOW_H

#include <sys/types.h>

#include "draw/draw.h"
#include "draw/figure.h"
#include "draw/narrate.h"
#include "cli/lab.h"

struct show_source {
	void *arg;
	size_t steps;
	/* Put the heap into the state after `step` calls, 1 <= step <= steps. */
	void (*seek)(void *arg, size_t step);
	/* Tell that call and draw the heap. */
	void (*put)(void *arg, FILE *out, const struct draw_style *s);
	/* The same on paper; NULL: the design's heap has no chunks. */
	void (*figure)(void *arg, struct drawn_figure *f);
	/* The heap before that call, and the call without what came of it; NULL like figure. */
	void (*before)(void *arg, FILE *out, const struct draw_style *s);
	/* The outcome of the call; .used is NULL if it is unknown. */
	const struct tell *(*told)(void *arg);
};

/* The lecture's examples, one after the other, on one system.  params: NULL for settings that make
 * the heap look as on the slides; otherwise they must outlive the source. */
struct show_source show_demo_open(const struct dmm_system *sys, const struct dmm_params *params);
void show_demo_close(struct show_source *source);
/* The same without a terminal: every step of every example. */
void show_demo_all(FILE *out, const struct draw_style *s, const struct dmm_system *sys,
    const struct dmm_params *params);

/* A recording, replayed on a heap of a system on os_arena. *peak is the step with the most live
 * bytes.  Ends the program if the recording cannot be read. */
struct show_source show_recording_open(const char *path, const struct dmm_system *sys,
    const struct dmm_params *params, size_t *peak);
/* False: the simulated heap had not had memory for all calls, and said so. */
bool show_recording_close(struct show_source *source);

/* Walk by keys from `step` on, until q.  Needs a terminal on both sides. */
void show_walk(struct show_source *source, const struct draw_style *s, size_t step);

/* Slab's heap of another process or of a core, once.  Ends the program if it cannot be seen. */
struct show_target {
	pid_t pid;
	const char *core;   /* NULL: the process */
	enum format format;
	size_t size;        /* draw the slabs of objects of this size; 0: the whole heap */
};
void show_outside(const struct show_target *target, const struct draw_style *s);

/* The output of put() as one text without colour; the caller frees it. */
char *show_words(void (*put)(const void *arg, FILE *out, const struct draw_style *s),
    const void *arg,
    size_t unit);

/* What dmm show does. */
enum show_paper { SHOW_TERMINAL, SHOW_SVG, SHOW_TIKZ };
enum { SHOW_SYSTEMS_MAX = 32 };

struct show_order {
	bool demo, ascii, step, quiz;
	enum show_paper paper;
	size_t from, to; /* calls; 0: not given */
	size_t width, at; /* 0: as the terminal is; where most was live */
	const char *recording;
	const char *conf; /* key:value,.. for every system; NULL: none */
	struct show_target target;
	const struct dmm_system *systems[SHOW_SYSTEMS_MAX + 1]; /* none: the usual ones */
	size_t system_count;
};

/* Calls from..to, one below the other; as figures on stdout; with a question before each. */
void show_range_text(struct show_source *source, const struct draw_style *s, size_t from,
    size_t to);
void show_range_figure(struct show_source *source, const struct show_order *show, size_t from,
    size_t to);
void show_quiz(struct show_source *source, const struct draw_style *s, size_t from, size_t to);

/* Returns the exit status; ends dmm with EXIT_USAGE where the order names not exactly one thing. */
int show_print(struct show_order *show);

#endif
