/* cell.c - runs one cell of a plan, if it is the planned one and has no result yet. */
#include "sweep/cell.h"

#include <string.h>

#include "sweep/merge.h"

bool sweep_enter_cell(struct replay_order *q)
{
	static const char *const thp[] = {"as-is", "off", "both"};
	static const char *const touch[] = {"all", "first", "none"};
	struct allocators *const list = &q->native.compare.allocators;

	if (q->output == NULL)
		lab_die(EXIT_USAGE, "--cell needs -o FILE for its result");
	if (q->model) {
		allocators_add_baselines(list);
		allocators_add_systems(list, q->systems != NULL ? q->systems : "all");
	}
	if (list->count != 3)
		lab_die(EXIT_USAGE, "--cell: name one allocator, not %zu", list->count - 2);
	q->cell.recording = q->path;
	q->cell.model = q->model;
	q->cell.allocator = &list->item[2];
	q->cell.touch = touch[q->native.touch];
	q->cell.thp = thp[q->native.compare.huge_pages];
	q->cell.warm = q->native.compare.warm;
	q->cell.steps = q->steps;
	cell_hash(&q->cell);
	if (strcmp(q->cell.hash, q->hash) != 0)
		lab_die(EXIT_FAULT, "cell %s: the recording, the allocator, dmm or an option is "
		    "not what it was planned with (now it is %s); make a new plan", q->hash,
		    q->cell.hash);
	if (!merge_is_done(q->output, q->cell.hash))
		return false;
	lab_say("%s is done already", q->output);
	return true;
}
