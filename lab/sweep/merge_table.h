/* merge_table.h - from results of cells to the tables that dmm replay prints. */
#ifndef LAB_SWEEP_MERGE_TABLE_H
#define LAB_SWEEP_MERGE_TABLE_H

#include "sweep/merge.h"
#include "replay/model.h"
#include "replay/native.h"

/* Cells of time of one recording with the same options, count > 0.  False: too many allocators.
 * ops and head are filled in for n. */
bool merge_time(struct native *n, struct replay_ops *ops, struct replay_head *head,
    const struct merge_cell *const *cells, size_t count);
void merge_model(struct model_result *result, struct subject *subject, const struct merge_cell *c);

#endif
