/* demo.h - the lecture's examples as scripts, and a heap that performs them step by step.
 *
 * Addresses are those of os_arena: the same in every process and run.
 */
#ifndef LAB_DRAW_DEMO_H
#define LAB_DRAW_DEMO_H

#include "os/os.h"
#include "draw/narrate.h"

enum { DEMO_STEPS = 10, DEMO_NAMES = 6 };

struct demo_step {
	bool is_malloc;
	const char *name; /* of the variable, such as "p1" */
	size_t units;     /* of malloc */
};

struct demo {
	const char *title, *lesson;
	size_t unit; /* bytes */
	size_t step_count;
	struct demo_step step[DEMO_STEPS];
};

/* The lecture's p1 to p5, its 150 bytes and its 98 in 100. */
enum { DEMO_EXAMPLES = 3 };
extern const struct demo demo_examples[DEMO_EXAMPLES];

struct demo_stage {
	const struct demo *demo;
	struct os_arena arena;
	struct heap heap;
	struct picture before, now;
	struct draw_label labels[DEMO_NAMES];
	char freed[DEMO_NAMES][8]; /* "(p2)": freed by the program, still occupied */
	size_t label_count, done; /* steps performed */
	struct tell told;         /* of the last step */
};

/* The system's own settings, but so that the heap looks as on the slides: a heap that is reused
 * grows by what is asked, and free chunks are coalesced at once. */
struct dmm_params demo_params(const struct dmm_system *sys);

/* params: NULL for demo_params().  0 or -errno. */
int demo_open(struct demo_stage *stage, const struct demo *demo, const struct dmm_system *sys,
    const struct dmm_params *params);
void demo_close(struct demo_stage *stage);
/* Perform the next step. */
void demo_advance(struct demo_stage *stage);

/* "char *p1 = malloc(3);" into buf, which is returned. */
enum { DEMO_LINE = 40 };
const char *demo_line(char buf[DEMO_LINE], const struct demo_step *step);
/* Name the step performed last; or name, tell and draw it. */
void demo_show_call(FILE *out, const struct draw_style *s, const struct demo_stage *stage);
void demo_show(FILE *out, const struct draw_style *s, const struct demo_stage *stage);

#endif
