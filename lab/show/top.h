/* top.h - a running process's heap, looked at again and again. */
#ifndef LAB_SHOW_TOP_H
#define LAB_SHOW_TOP_H

#include "show/draw_slab.h"
#include "cli/lab.h"
#include "inspect/inspect.h"

/* Between two looks, per second.  What is seen from outside: objects that were allocated and freed
 * in between are not in `allocated` and `freed`, so these are at least. */
struct top_rates {
	bool known; /* not at the first look */
	double allocated, freed;      /* objects */
	double live, held, resident;  /* bytes, may be negative */
	double faults;                /* pages that the process faulted in */
	double cpu;                   /* of one processor */
};

enum { TOP_HISTORY = 256 };

struct top {
	struct outside outside;
	struct outside_view views[2]; /* now and before, in turn */
	unsigned now;                 /* index of the newer */
	size_t looks;
	struct top_rates rates;
	double live[TOP_HISTORY], held[TOP_HISTORY]; /* ring, newest at (looks - 1) % TOP_HISTORY */
	double began;
};

static inline const struct outside_view *top_view(const struct top *t)
{
	return &t->views[t->now];
}

/* A process's first look; ends the program, with the reason, if it cannot be read. */
struct top *top_open(pid_t pid);
void top_close(struct top *t);
/* Names the processes that run slab on stderr, then exits with EXIT_USAGE. */
_Noreturn void top_ask_for_pid(void);
/* Look, and compare with the look before; false: *e says why not. */
bool top_look(struct top *t, struct memory_error *e);

/* In a terminal until q or the process's end; returns the exit status. */
int top_screen(struct top *t, struct draw_style *s, double interval);
/* One look, the first, as OpenMetrics on stdout. */
int top_metrics(const struct top *t);
/* A line a look, `count` times (0: until the end). */
int top_lines(struct top *t, const struct draw_style *s, enum format format, double interval,
    size_t count);

#endif
