/* demo.c - the lecture's examples, performed on a heap of any system. */
#include "draw/demo.h"

#include <string.h>

#include "base/assert.h"
#include "base/bits.h"

#define MALLOC(variable, n) {true, variable, n}
#define FREE(variable) {false, variable, 0}

const struct demo demo_examples[DEMO_EXAMPLES] = {
    {"DMM Desired Behavior Demo", "Some external fragmentation is unavoidable.", 16, 10,
        {MALLOC("p1", 3), MALLOC("p2", 1), MALLOC("p3", 4), FREE("p2"), MALLOC("p4", 8), FREE("p3"),
            MALLOC("p5", 2), FREE("p1"), FREE("p4"), FREE("p5")}},
    {"External Fragmentation", "Client asks for 150; 100 + 50 are free, but not contiguous.", 16, 7,
        {MALLOC("a", 100), MALLOC("b", 2), MALLOC("c", 50), MALLOC("d", 2), FREE("a"), FREE("c"),
            MALLOC("e", 150)}},
    /* In units of 8 bytes the remainder of 2 is one granule, in no design enough for a chunk. */
    {"Internal Fragmentation", "Client asks for 98; a chunk of 100 is free.", 8, 4,
        {MALLOC("x", 100), MALLOC("y", 4), FREE("x"), MALLOC("z", 98)}},
};

enum { HEAP_LEN = 1 << 20, GROW_MIN = 16 };

struct dmm_params demo_params(const struct dmm_system *sys)
{
	struct dmm_params params = sys->defaults;

	if ((sys->traits & DMM_FREES) && (sys->options & DMM_OPT_GROW_MIN))
		params.grow_min = GROW_MIN;
	if (sys->options & DMM_OPT_COALESCE)
		params.coalesce = DMM_COALESCE_NOW;
	return params;
}

int demo_open(struct demo_stage *stage, const struct demo *demo, const struct dmm_system *sys,
    const struct dmm_params *params)
{
	const struct dmm_params usual = demo_params(sys);

	*stage = (struct demo_stage){.demo = demo};
	int r = os_arena_open(&stage->arena, 0, HEAP_LEN, 64 * (size_t)HEAP_LEN);
	if (r != 0)
		return r;
	r = heap_open(&stage->heap, sys, params != NULL ? params : &usual, &stage->arena.os);
	if (r != 0) {
		os_arena_close(&stage->arena);
		return r;
	}
	picture_take(&stage->now, &stage->heap);
	return 0;
}

void demo_close(struct demo_stage *stage)
{
	picture_drop(&stage->before);
	picture_drop(&stage->now);
	heap_close(&stage->heap);
	os_arena_close(&stage->arena);
}

static struct draw_label *label_of(struct demo_stage *stage, const char *name)
{
	for (size_t i = 0; i < stage->label_count; i++)
		if (strcmp(stage->labels[i].text, name) == 0)
			return &stage->labels[i];
	return NULL;
}

static void perform_malloc(struct demo_stage *stage, const struct demo_step *step,
    struct tell_call *call)
{
	call->n = step->units * stage->demo->unit;
	void *const p = heap_malloc(&stage->heap, call->n);

	CHECK(p != NULL && stage->label_count < DEMO_NAMES);
	memset(p, step->name[0], call->n); /* as a program would use it */
	call->p = p;
	call->mapped = (char *)p >= stage->arena.heap_end;
	stage->labels[stage->label_count++] = (struct draw_label){(uintptr_t)p, call->n,
	    step->name};
}

static void perform_free(struct demo_stage *stage, const struct demo_step *step,
    struct tell_call *call)
{
	struct draw_label *const label = label_of(stage, step->name);

	CHECK(label != NULL);
	call->p = (void *)label->mem;
	heap_free(&stage->heap, (void *)label->mem);
	if (stage->heap.sys->traits & DMM_FREES) {
		label->mem = 0;
		return;
	}
	char *const freed = stage->freed[label - stage->labels];
	snprintf(freed, sizeof stage->freed[0], "(%s)", step->name);
	label->text = freed;
}

void demo_advance(struct demo_stage *stage)
{
	CHECK(stage->done < stage->demo->step_count);
	const struct demo_step *const step = &stage->demo->step[stage->done++];
	struct tell_call call = {.is_malloc = step->is_malloc, .name = step->name};
	const struct picture old = stage->before;

	stage->before = stage->now;
	stage->now = old;
	if (step->is_malloc)
		perform_malloc(stage, step, &call);
	else
		perform_free(stage, step, &call);
	picture_take(&stage->now, &stage->heap);
	stage->told = tell_compare(&call, &stage->before, &stage->now);
}

const char *demo_line(char buf[DEMO_LINE], const struct demo_step *step)
{
	if (step->is_malloc)
		snprintf(buf, DEMO_LINE, "char *%s = malloc(%zu);", step->name, step->units);
	else
		snprintf(buf, DEMO_LINE, "free(%s);", step->name);
	return buf;
}

void demo_show_call(FILE *out, const struct draw_style *s, const struct demo_stage *stage)
{
	char line[DEMO_LINE];
	const char *const bold = s->colour ? "\033[1m" : "",
	    *const off = s->colour ? "\033[0m" : "";

	CHECK(stage->done != 0);
	fprintf(out, "%s%s %s%s\n", bold, s->ascii ? "->" : "→",
	    demo_line(line, &stage->demo->step[stage->done - 1]), off);
}

void demo_show(FILE *out, const struct draw_style *s, const struct demo_stage *stage)
{
	demo_show_call(out, s, stage);
	tell_steps(out, s, stage->heap.sys, &stage->told);
	tell_captions(out, s, &stage->told);
	draw_heap(out, s, &stage->now, stage->labels, stage->label_count);
	draw_bins(out, s, &stage->now);
}
