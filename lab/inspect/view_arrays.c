/* view_arrays.c - the arrays of a view, which grow. */
#include "cli/array.h"
#include "inspect/inspect.h"

void outside_add_run(struct outside_view *v, const struct outside_run *run)
{
	struct outside_run *const last = v->run_count != 0 ? &v->runs[v->run_count - 1] : NULL;
	const bool joins = run->kind == OUTSIDE_IS_UNUSED || run->kind == OUTSIDE_IS_DIRTY;

	if (joins && last != NULL && last->kind == run->kind) {
		last->count += run->count;
		return;
	}
	ARRAY_GROW(v->runs, v->run_cap, v->run_count + 1);
	v->runs[v->run_count++] = *run;
}

struct outside_heap *outside_add_heap(struct outside_view *v)
{
	ARRAY_GROW(v->heaps, v->heap_cap, v->heap_count + 1);
	v->heaps[v->heap_count] = (struct outside_heap){0};
	return &v->heaps[v->heap_count++];
}
