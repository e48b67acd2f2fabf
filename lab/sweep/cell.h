/* cell.h - one cell of a plan of dmm sweep, as dmm replay --cell runs it. */
#ifndef LAB_SWEEP_CELL_H
#define LAB_SWEEP_CELL_H

#include "replay/replay.h"

/* Fills in q->cell from the rest.  True: the output has this cell's result already.  Ends dmm with
 * EXIT_FAULT where the cell is not what was planned. */
bool sweep_enter_cell(struct replay_order *q);

#endif
